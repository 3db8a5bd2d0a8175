// Formulas of ops, in Python's syntax as the record states them, computed in the page: `Formula.compile("x * y")` gives
// a function of {x, y}. A parser of its own: the page's security policy forbids eval, and rightly.
const Formula = (() => {
  'use strict';
  const TOKEN = /\s*(\d+\.?\d*(?:[eE][+-]?\d+)?|\.\d+(?:[eE][+-]?\d+)?|[A-Za-z_]\w*|\*\*|\/\/|<=|>=|==|!=|[-+*/%()<>,])/y;
  const BINARY = { or: 1, and: 2, '<': 4, '<=': 4, '>': 4, '>=': 4, '==': 4, '!=': 4, '+': 5, '-': 5, '*': 6, '/': 6, '//': 6, '%': 6, '**': 8 };
  const APPLY = {
    '+': (a, b) => a + b, '-': (a, b) => a - b, '*': (a, b) => a * b, '/': (a, b) => a / b, '**': (a, b) => b === 0 || a === 1 ? 1 : Math.pow(a, b),
    '//': (a, b) => Math.floor(a / b), '%': (a, b) => a - b * Math.floor(a / b), and: (a, b) => a && b, or: (a, b) => a || b,
    '<': (a, b) => a < b, '<=': (a, b) => a <= b, '>': (a, b) => a > b, '>=': (a, b) => a >= b, '==': (a, b) => +a === +b, '!=': (a, b) => +a !== +b,
  };
  const FUNCTION = {
    exp: Math.exp, exp2: x => 2 ** x, expm1: Math.expm1, log: Math.log, log2: Math.log2, log10: Math.log10, log1p: Math.log1p, sqrt: Math.sqrt, cbrt: Math.cbrt,
    sin: Math.sin, cos: Math.cos, tan: Math.tan, arcsin: Math.asin, arccos: Math.acos, arctan: Math.atan, sinh: Math.sinh, cosh: Math.cosh, tanh: Math.tanh,
    arcsinh: Math.asinh, arccosh: Math.acosh, arctanh: Math.atanh, abs: Math.abs, sign: Math.sign, floor: Math.floor, ceil: Math.ceil, trunc: Math.trunc,
    rint: x => { const r = Math.round(x); return Math.abs(x % 1) === .5 && r % 2 ? r - 1 : r; }, max: Math.max, min: Math.min, erf, erfc: x => x < .5 ? 1 - erf(x) : tail(x),
  };
  const CONSTANT = { pi: Math.PI, e: Math.E, inf: Infinity, nan: NaN, True: true, False: false };

  // The error function: its Taylor series near 0 (Abramowitz & Stegun 7.1.6), the continued fraction 7.1.14 beyond.
  function erf(x) {
    if (Math.abs(x) > 2) return x > 0 ? 1 - tail(x) : tail(-x) - 1;
    let term = x, sum = x;
    for (let n = 1; n < 60 && Math.abs(term) > 1e-17 * Math.abs(sum); n++) sum += term *= 2 * x * x / (2 * n + 1);
    return 2 / Math.sqrt(Math.PI) * Math.exp(-x * x) * sum;
  }
  function tail(x) {
    if (x > 27) return 0;
    if (Number.isNaN(x)) return NaN;
    let f = 0;
    for (let k = x < 1 ? 600 : 160; k > 0; k--) f = k / 2 / (x + f);
    return Math.exp(-x * x) / Math.sqrt(Math.PI) / (x + f);
  }

  function tokens(text) {
    const found = [];
    TOKEN.lastIndex = 0;
    while (TOKEN.lastIndex < text.trimEnd().length) {
      const m = TOKEN.exec(text);
      if (!m) throw new SyntaxError('formula ' + text);
      found.push(m[1]);
    }
    return found;
  }

  function compile(text) {
    const list = tokens(text);
    let at = 0;
    const take = wanted => { if (list[at] !== wanted) throw new SyntaxError(`formula ${text}: wanted ${wanted}`); at++; };
    const atom = () => {
      const t = list[at++];
      if (t === '(') { const inner = ternary(); take(')'); return inner; }
      if (t === '-') { const inner = binary(7); return env => -inner(env); }
      if (t === '+') return binary(7);
      if (t === 'not') { const inner = binary(3); return env => !inner(env); }
      if (/^[\d.]/.test(t)) { const value = Number(t); return () => value; }
      if (list[at] === '(') {
        const f = FUNCTION[t], args = [];
        if (!f) throw new SyntaxError('function ' + t);
        for (at++; list[at] !== ')';) { args.push(ternary()); if (list[at] === ',') at++; }
        at++;
        return env => f(...args.map(a => +a(env)));
      }
      if (!/^[A-Za-z_]/.test(t || '')) throw new SyntaxError('formula ' + text);
      return env => Object.hasOwn(env, t) ? env[t] : CONSTANT[t];
    };
    const binary = floor => {
      let left = atom();
      while (list[at] in BINARY && BINARY[list[at]] >= floor) {
        const op = list[at++], a = left, b = binary(op === '**' ? 7 : BINARY[op] + 1), f = APPLY[op];
        left = op === 'and' || op === 'or' ? env => f(a(env), b(env)) : env => f(+a(env), +b(env));
      }
      return left;
    };
    const ternary = () => {
      const yes = binary(1);
      if (list[at] !== 'if') return yes;
      at++;
      const test = binary(1);
      take('else');
      const no = ternary();
      return env => test(env) ? yes(env) : no(env);
    };
    const result = ternary();
    if (at < list.length) throw new SyntaxError('formula ' + text);
    return env => +result(env);
  }

  // Values, gradients and local derivatives of a scalar graph whose leaves were set: {id: value}.
  function recompute(record, leaves) {
    const { nodes, back, root } = record, cache = new Map();
    const fn = text => { if (!cache.has(text)) cache.set(text, compile(text)); return cache.get(text); };
    const data = nodes.map(n => n.data.v), env = n => Object.fromEntries(n.extra.args.map((name, i) => [name, data[n.parents[i]]]));
    for (const n of nodes) {
      if (n.id in leaves) data[n.id] = leaves[n.id];
      else if (n.op) data[n.id] = fn(n.extra.exact)(env(n));
    }
    const grad = nodes.map(() => null), locals = back.map(() => []);
    if (back.length) grad[root] = 1;
    back.forEach(({ node, edges }, k) => edges.forEach(({ to, exact }, j) => {
      const local = fn(exact)({ ...env(nodes[node]), out: data[node] });
      locals[k][j] = local;
      grad[to] = (grad[to] || 0) + grad[node] * local;
    }));
    return { data, grad, locals };
  }

  return { compile, recompute };
})();
if (typeof module === 'object') module.exports = Formula;
