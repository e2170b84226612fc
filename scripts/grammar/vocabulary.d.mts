export function randomOf(seed: number): () => number;
export function makeVocabulary(size: number, seed?: number): (Uint8Array | null)[];
