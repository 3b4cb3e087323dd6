// Paths as docs/protocol.md defines them: absent ones are the whole document.

const beginning = (short, long) => short.every((name, i) => name === long[i])

const meet = (one, other) => one.length <= other.length ? beginning(one, other) : beginning(other, one)

/** Two locks conflict if a path of one begins a path of the other. */
export function conflict (one, other) {
  if (!one || !other) return true
  return one.some((a) => other.some((b) => meet(a, b)))
}

/** A lock of these paths reaches into that root type. */
export function reaches (paths, root) {
  return !paths || paths.some(([first]) => first === root)
}

/** Tells if the protocol allows them; they may be absent. */
export function valid (paths) {
  if (paths === undefined || paths === null) return true
  const name = (name) => name.length > 0 && Buffer.byteLength(name) <= 256
  return paths.length >= 1 && paths.length <= 16 &&
    paths.every((path) => path.length >= 1 && path.length <= 8 && path.every(name))
}

/** Some paths; one in ten is none. */
export function some (random) {
  const roots = ['text', 'map', 'array', 'xml', 'notes']
  return random.weighted([
    [3, () => undefined],
    [8, () => [[random.pick(roots)]]],
    [4, () => random.shuffle([...roots]).slice(0, 2).map((root) => [root])],
    [4, () => [[random.pick(roots), `k${random.below(4)}`]]],
    [1, () => [['map', 'k1', 'deep'], ['text']]],
    [1, () => null],
    [0.3, () => []],
    [0.3, () => [[]]],
    [0.3, () => [['text'], []]],
    [0.3, () => [['']]],
    [0.3, () => [['map', '']]],
    [0.3, () => Array.from({ length: 17 }, (_, i) => ['map', `k${i}`])],
    [0.3, () => [Array.from({ length: 9 }, (_, i) => `n${i}`)]],
    [0.3, () => [['x'.repeat(257)]]]
  ])()
}
