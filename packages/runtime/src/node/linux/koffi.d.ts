/** What is used of koffi, declared here so that everything compiles where the optional dependency is left out. */
declare module "koffi" {
  interface KoffiFunction {
    (...args: readonly unknown[]): unknown;
    /** Runs in a thread of libuv's pool; the last argument is called back. */
    async(...args: readonly unknown[]): void;
  }
  interface Library {
    func(prototype: string): KoffiFunction;
  }
  const koffi: {
    load(path: string | null): Library;
    errno(): number;
    /** The address of an array's memory. */
    address(memory: ArrayBufferView): bigint;
  };
  export default koffi;
}
