// Usage: node broker.mjs HOST PORT PASSWORD_FILE MAX_PACKET_BYTES [TLS_HOST TLS_PORT CERT_FILE KEY_FILE]
// Sessions, wills and retained messages are only in memory. Production runs mosquitto
// (deploy/mosquitto).
import { readFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { createServer as createTlsServer } from 'node:tls'
import { Aedes } from 'aedes'
import { clientIdOf, mayPublish, mayRetain, maySubscribe, Passwords, quoted } from './rights.mjs'

const [host, port, passwordFile, maxPacketBytes, tlsHost, tlsPort, certFile, keyFile] = process.argv.slice(2)
const passwords = new Passwords(passwordFile)
const BAD_USER_OR_PASSWORD = 4
const NOT_GRANTED = null // aedes answers a null subscription with SUBACK 128
const RECHECK_MS = 1000
const BEFORE_LOGIN_BYTES = 16_384 // a CONNECT with its will and password
const HANDSHAKE_MS = 10_000
const MQTT_5 = 5
const UNSUPPORTED_VERSION = Buffer.from([0x20, 0x03, 0x00, 0x84, 0x00]) // CONNACK of MQTT 5
const REFUSED_TOPIC = '$SYS/broker/refused'

// How many clients were refused, and the last one. Reported to the bridge at most once per second.
const refused = { login: 0, publish: 0, subscribe: 0, retain: 0, size: 0, version: 0, last: '' }
let reported = 0
function refuse (kind, user, words) {
  refused[kind] += 1
  refused.last = String(user ?? '')
  console.warn('refused: user %s %s', quoted(user ?? ''), words)
}

const broker = await Aedes.createBroker({
  concurrency: 1000,
  // aedes speaks MQTT 3.1.1. A client of MQTT 5 gets the reason in its own version.
  preConnect (client, packet, done) {
    if (packet.protocolVersion !== MQTT_5) return done(null, true)
    refuse('version', packet.username, 'speaks MQTT 5; this broker speaks 3.1.1')
    client.conn.end(UNSUPPORTED_VERSION)
    done(new Error('MQTT 5'), false)
  },
  authenticate (client, username, password, done) {
    passwords.check(username, password).then(entry => {
      client.user = username
      client.entry = entry
      if (entry) {
        client.id = clientIdOf(username, client.id) // before aedes looks for a session of that name
        return done(null, true)
      }
      refuse('login', username, 'with a wrong or no password')
      done(Object.assign(new Error('bad user name or password'), { returnCode: BAD_USER_OR_PASSWORD }), null)
    }, error => done(error, null))
  },
  authorizePublish (client, packet, done) {
    // A will left by an earlier process has no client; it was authorised when it was set.
    if (!client || mayPublish(client.user, packet.topic)) {
      if (packet.payload.length <= Number(maxPacketBytes)) {
        retainOnlyStatus(client, packet)
        return done(null)
      }
    }
    refuse('publish', client?.user, `may not publish ${packet.payload.length} bytes to ${quoted(packet.topic)}`)
    done(new Error('not authorised to publish there')) // aedes closes the connection
  },
  authorizeSubscribe (client, subscription, done) {
    const allowed = maySubscribe(client.user, subscription.topic)
    if (!allowed) refuse('subscribe', client.user, `may not subscribe to ${quoted(subscription.topic)}`)
    done(null, allowed ? subscription : NOT_GRANTED)
  }
})
broker.on('clientError', (client, error) => console.warn('client %s: %s', quoted(client.id), quoted(error.message)))
broker.on('connectionError', (client, error) => console.warn('connection: %s', quoted(error.message)))

// If a device reconnects while its old connection closes, aedes forgets the new connection too,
// because it forgets by name. The new one must stay known, because otherwise neither a revocation
// nor a third connection would end it.
const newest = new Map()
broker.on('client', client => newest.set(client.id, client))
broker.on('clientDisconnect', client => {
  const now = newest.get(client.id)
  if (now === client) newest.delete(client.id)
  else if (now && !now.closed) broker.clients[client.id] = now
})

// Disconnect users who were revoked or got another password (mosquitto does so at SIGHUP).
setInterval(() => {
  try { sendAway() } catch (error) { console.error('the password file: %s', error.message) }
  reportRefused()
}, RECHECK_MS)

function sendAway () {
  for (const client of Object.values(broker.clients)) {
    if (!client.entry || passwords.holds(client.user, client.entry)) continue
    console.warn('disconnected: %s, its password is no longer valid', quoted(client.user))
    client.close()
  }
}

function reportRefused () {
  const sum = refused.login + refused.publish + refused.subscribe + refused.retain + refused.size +
    refused.version
  if (sum === reported) return
  reported = sum
  broker.publish({ topic: REFUSED_TOPIC, payload: JSON.stringify(refused), qos: 0, retain: true }, () => {})
}

// Retained messages stay in memory and are sent to each bridge that connects, so only a status may
// be retained. Live messages pass.
function retainOnlyStatus (client, packet) {
  if (!packet.retain || mayRetain(packet.topic, packet.payload.length)) return
  packet.retain = false
  refuse('retain', client?.user, `may not have ${quoted(packet.topic)} retained`)
}

// aedes buffers a packet of any announced size until it is complete, from any client.
function accept (socket) {
  const client = broker.handle(socket)
  // aedes has read all complete packets by now, so the rest is an incomplete one
  socket.on('readable', () => {
    const limit = client.connected ? Number(maxPacketBytes) : BEFORE_LOGIN_BYTES
    if (client._parser._list.length <= limit || socket.destroyed) return
    refuse('size', client.user, `sends a packet of more than ${limit} bytes`)
    socket.destroy()
  })
}

// Acknowledgements are small packets, which must not wait for a full segment.
const servers = [listen(createServer({ noDelay: true }, accept), host, port, 'MQTT')]
if (tlsHost) {
  const files = { cert: readFileSync(certFile), key: readFileSync(keyFile) }
  const server = createTlsServer({ noDelay: true, handshakeTimeout: HANDSHAKE_MS, ...files }, accept)
  server.on('tlsClientError', error => console.warn('TLS: %s', quoted(error.message)))
  servers.push(listen(server, tlsHost, tlsPort, 'MQTT with TLS'))
}

function listen (server, address, number, what) {
  server.on('error', error => {
    console.error('cannot listen on %s:%s: %s', address, number, error.message)
    process.exit(1)
  })
  server.listen(Number(number), address, () => console.log('%s on %s:%s', what, address, number))
  return server
}

for (const signal of ['SIGTERM', 'SIGINT']) {
  process.once(signal, () => {
    for (const server of servers) server.close()
    broker.close(() => process.exit(0))
  })
}
