/** Equality for use as a cut-off: of plain values (arrays, maps, sets, plain objects, primitives), by content. */
export function sameContent(a: unknown, b: unknown): boolean {
  if (a === b) return true;
  if (typeof a !== "object" || typeof b !== "object" || a === null || b === null) return Object.is(a, b);
  if (Array.isArray(a)) {
    if (!Array.isArray(b) || a.length !== b.length) return false;
    for (let i = 0; i < a.length; i++) if (!sameContent(a[i], b[i])) return false;
    return true;
  }
  if (a.constructor !== b.constructor) return false;
  // Most are plain objects, so these are told first.
  if (a.constructor === Object) return sameProperties(a, b);
  if (a instanceof Map) {
    if (!(b instanceof Map) || a.size !== b.size) return false;
    for (const [key, value] of a) if (!b.has(key) || !sameContent(value, b.get(key))) return false;
    return true;
  }
  if (a instanceof Set) {
    if (!(b instanceof Set) || a.size !== b.size) return false;
    for (const value of a) if (!b.has(value)) return false;
    return true;
  }
  return sameProperties(a, b);
}

/** Of objects whose enumerable properties are all their own. Object.keys() would make two arrays for each pair. */
function sameProperties(a: object, b: object): boolean {
  const left = a as Record<string, unknown>;
  const right = b as Record<string, unknown>;
  let more = 0;
  for (const key in left) {
    if (!Object.hasOwn(right, key) || !sameContent(left[key], right[key])) return false;
    more++;
  }
  for (const _key in right) more--;
  return more === 0;
}
