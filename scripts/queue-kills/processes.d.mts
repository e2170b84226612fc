import type { ChildProcess } from "node:child_process";

export const NO_REDIS: string;
export function startRedis(...options: string[]): Promise<{ port: number; url: string; end(): Promise<void> }>;
export interface Started {
  readonly child: ChildProcess;
  readonly ended: Promise<{ code: number | null; stdout: string; stderr: string }>;
}
export function startWorker(url: string, ...options: string[]): Promise<Started>;
export function startCommand(...args: string[]): Started;
