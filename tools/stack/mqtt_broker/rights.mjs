// Access rights: the same rules as deploy/mosquitto/acl, and the same password file
// (`user:$7$iterations$salt$hash`, PBKDF2 with SHA-512, as mosquitto_passwd writes it).
import { pbkdf2, timingSafeEqual } from 'node:crypto'
import { readFileSync, statSync } from 'node:fs'
import { promisify } from 'node:util'

const derive = promisify(pbkdf2)
const ROOT = 'parking/v1'
const BRIDGE = 'bridge'
const DEVICE_WRITES = [/^frame(\/.*)?$/, /^gate\/.+$/, /^status$/, /^telemetry$/]
const DEVICE_READS = new Set(['ack', 'command'])
const RETAINED = /^parking\/v1\/[^/]+\/[^/]+\/status$/
const RETAINED_MAX_BYTES = 4096
const UNSAFE = /[\u007f-\u009f\u2028\u2029\u202a-\u202e\u2066-\u2069]/g
const BRIDGE_WRITES = /^parking\/v1\/[^/]+\/[^/]+\/(ack|command)$/

/** The password file, reloaded when it changes. */
export class Passwords {
  #path
  #stamp = ''
  #users = new Map()

  constructor (path) {
    this.#path = path
  }

  /** Return the user's entry if it is known and the password (a Buffer) is right, otherwise null. */
  async check (user, password) {
    this.#refresh()
    const entry = this.#users.get(user)
    if (!entry || !password) return null
    const given = await derive(password, entry.salt, entry.iterations, entry.hash.length, 'sha512')
    return timingSafeEqual(given, entry.hash) ? entry : null
  }

  /** Return whether the entry with which the user logged in is still valid. */
  holds (user, entry) {
    this.#refresh()
    return this.#users.get(user)?.hash.equals(entry.hash) ?? false
  }

  #refresh () {
    const { mtimeNs, size, ino } = statSync(this.#path, { bigint: true })
    const stamp = `${mtimeNs}/${size}/${ino}`
    if (stamp === this.#stamp) return
    this.#users = new Map(readFileSync(this.#path, 'utf8').split('\n').filter(Boolean).map(parse))
    this.#stamp = stamp
  }
}

function parse (line) {
  const at = line.lastIndexOf(':')
  const [, kind, iterations, salt, hash] = line.slice(at + 1).split('$')
  if (kind !== '7') throw new Error(`unknown password hash $${kind}$ of ${line.slice(0, at)}`)
  return [line.slice(0, at), {
    iterations: Number(iterations),
    salt: Buffer.from(salt, 'base64'),
    hash: Buffer.from(hash, 'base64')
  }]
}

/**
 * The client id that a user gets. A second connection with the same id ends the first and gets its
 * session, so a device's client id is its user name, whatever it sends (mosquitto:
 * use_username_as_clientid). Only the bridge may choose, because its lanes and instances need
 * separate sessions.
 */
export function clientIdOf (user, asked) {
  return user === BRIDGE ? asked : user
}

/** Return whether the user may publish to this topic. A device may only publish below its own
 * `{site}/{device}`. */
export function mayPublish (user, topic) {
  if (user === BRIDGE) return BRIDGE_WRITES.test(topic)
  const suffix = ownSuffix(user, topic)
  return suffix !== null && DEVICE_WRITES.some(allowed => allowed.test(suffix))
}

/** Return whether the user may subscribe to this filter. A device may only subscribe to its own
 * `ack` and `command`. */
export function maySubscribe (user, filter) {
  if (user === BRIDGE) return filter.startsWith(`${ROOT}/`) || filter.startsWith('$SYS/broker/')
  return DEVICE_READS.has(ownSuffix(user, filter))
}

/** Return whether a message may be retained. Only a device's status may, for a bridge that connects
 * later, and only if it is small. */
export function mayRetain (topic, sizeBytes) {
  return RETAINED.test(topic) && sizeBytes <= RETAINED_MAX_BYTES
}

/** Format untrusted text for a log: quoted, on one line, without characters that control a
 * terminal. */
export function quoted (text) {
  return JSON.stringify(String(text)).replace(UNSAFE, c => `\\u${c.charCodeAt(0).toString(16).padStart(4, '0')}`)
}

function ownSuffix (user, topic) {
  const own = `${ROOT}/${user}/`
  return user && !/[+#]/.test(user) && topic.startsWith(own) ? topic.slice(own.length) : null
}
