// Shapes of warm sessions, written in a line as on the command line.

const lists = ['jars', 'pyFiles', 'files', 'archives'];
const numbers = ['driverCores', 'executorCores', 'numExecutors', 'heartbeatTimeoutInSecond'];
const option = (field) => (field === 'heartbeatTimeoutInSecond' ? 'heartbeat_timeout' : field.replace(/[A-Z]/g, (c) => '_' + c.toLowerCase()));
const fieldOf = (name) => (name === 'heartbeat_timeout' ? 'heartbeatTimeoutInSecond' : name.replace(/_([a-z])/g, (_, c) => c.toUpperCase()));

/** warmText writes a shape. */
export function warmText({ kind, count, conf = {}, ...rest }) {
  return [kind, count, ...Object.entries(rest).map(([field, v]) => `${option(field)}=${v}`), ...Object.entries(conf).map(([k, v]) => `${k}=${v}`)].join(' ');
}

/** warmLines reads shapes, a line each. A line that is as before keeps what no line can write. */
export function warmLines(text, before) {
  return text.split('\n').filter((line) => line.trim()).map((line) => before.find((w) => warmText(w) === line) || warmOf(line));
}

/** warmOf reads a shape; what is wrong in it is left to the server. */
function warmOf(line) {
  const words = line.trim().split(/\s+/);
  const plain = words.filter((w) => !w.includes('='));
  const w = { kind: plain[0] || '', count: plain.length > 1 ? Number(plain[1]) : 1 };
  for (const word of words.filter((x) => x.includes('='))) {
    const at = word.indexOf('=');
    const name = word.slice(0, at), value = word.slice(at + 1), field = fieldOf(name);
    if (name.includes('.')) w.conf = { ...w.conf, [name]: value };
    else if (lists.includes(field)) w[field] = value.split(',');
    else w[field] = numbers.includes(field) ? Number(value) : value;
  }
  return w;
}
