declare module 'dcmjs' {
  const dcmjs: { readonly log: { setLevel(level: string): void } };
  export default dcmjs;
}
