// Usage: node broker.mjs HOST PORT PASSWORD_FILE MAX_PACKET_BYTES
// Sessions, wills and retained messages live in memory: production runs mosquitto (deploy/mosquitto).
import { createServer } from 'node:net'
import { Aedes } from 'aedes'
import { clientIdOf, mayPublish, maySubscribe, Passwords } from './rights.mjs'

const [host, port, passwordFile, maxPacketBytes] = process.argv.slice(2)
const passwords = new Passwords(passwordFile)
const BAD_USER_OR_PASSWORD = 4
const NOT_GRANTED = null // aedes answers a null subscription with SUBACK 128
const RECHECK_MS = 1000
const REFUSED_TOPIC = '$SYS/broker/refused'

// How often somebody was refused, and whom it was last: told to the bridge, at most once a second.
const refused = { login: 0, publish: 0, subscribe: 0, last: '' }
let told = 0
function refuse (kind, user, words) {
  refused[kind] += 1
  refused.last = String(user ?? '')
  console.warn('refused: user %j %s', user, words)
}

const broker = await Aedes.createBroker({
  concurrency: 1000,
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
      if (packet.payload.length <= Number(maxPacketBytes)) return done(null)
    }
    refuse('publish', client?.user, `may not publish ${packet.payload.length} bytes to ${JSON.stringify(packet.topic)}`)
    done(new Error('not authorised to publish there')) // aedes closes the connection
  },
  authorizeSubscribe (client, subscription, done) {
    const allowed = maySubscribe(client.user, subscription.topic)
    if (!allowed) refuse('subscribe', client.user, `may not subscribe to ${JSON.stringify(subscription.topic)}`)
    done(null, allowed ? subscription : NOT_GRANTED)
  }
})
broker.on('clientError', (client, error) => console.warn('client %s: %s', client.id, error.message))
broker.on('connectionError', (client, error) => console.warn('connection: %s', error.message))

// A device that reconnects while its old connection closes: aedes then forgets the new one too, for
// it forgets by name. It must stay known, or neither a revocation nor a third connection ends it.
const newest = new Map()
broker.on('client', client => newest.set(client.id, client))
broker.on('clientDisconnect', client => {
  const now = newest.get(client.id)
  if (now === client) newest.delete(client.id)
  else if (now && !now.closed) broker.clients[client.id] = now
})

// Who was revoked, or got another password, is sent away (mosquitto does so at SIGHUP).
setInterval(() => {
  try { sendAway() } catch (error) { console.error('the password file: %s', error.message) }
  tell()
}, RECHECK_MS)

function sendAway () {
  for (const client of Object.values(broker.clients)) {
    if (!client.entry || passwords.holds(client.user, client.entry)) continue
    console.warn('sent away: %j, its password is no longer valid', client.user)
    client.close()
  }
}

function tell () {
  const sum = refused.login + refused.publish + refused.subscribe
  if (sum === told) return
  told = sum
  broker.publish({ topic: REFUSED_TOPIC, payload: JSON.stringify(refused), qos: 0, retain: true }, () => {})
}

// Acknowledgements are small packets: they must not wait for a full segment.
const server = createServer({ noDelay: true }, broker.handle)
server.on('error', error => {
  console.error('cannot listen on %s:%s: %s', host, port, error.message)
  process.exit(1)
})
server.listen(Number(port), host, () => console.log('MQTT on %s:%s', host, port))

for (const signal of ['SIGTERM', 'SIGINT']) {
  process.once(signal, () => {
    server.close()
    broker.close(() => process.exit(0))
  })
}
