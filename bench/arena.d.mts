export function createMemory(parts: number): WebAssembly.Memory;
export class Arena {
  constructor(memory: WebAssembly.Memory, part: number, parts: number, memoryParts: number);
  fork(): Arena;
}
