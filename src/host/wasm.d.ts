/** A static import of a module, as workerd and bundlers understand it. */
declare module "*.wasm" {
  const module: WebAssembly.Module;
  export default module;
}
