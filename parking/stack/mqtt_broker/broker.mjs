// Usage: node broker.mjs HOST PORT PASSWORD_FILE MAX_PACKET_BYTES
// Sessions, wills and retained messages live in memory: production runs mosquitto (deploy/mosquitto).
import { createServer } from 'node:net'
import { Aedes } from 'aedes'
import { clientIdOf, mayPublish, maySubscribe, Passwords } from './rights.mjs'

const [host, port, passwordFile, maxPacketBytes] = process.argv.slice(2)
const passwords = new Passwords(passwordFile)
const BAD_USER_OR_PASSWORD = 4
const NOT_GRANTED = null // aedes answers a null subscription with SUBACK 128

const broker = await Aedes.createBroker({
  concurrency: 1000,
  authenticate (client, username, password, done) {
    passwords.check(username, password).then(right => {
      client.user = username
      if (right) {
        client.id = clientIdOf(username, client.id) // before aedes looks for a session of that name
        return done(null, true)
      }
      console.warn('refused: user %j with a wrong or no password', username)
      done(Object.assign(new Error('bad user name or password'), { returnCode: BAD_USER_OR_PASSWORD }), null)
    }, error => done(error, null))
  },
  authorizePublish (client, packet, done) {
    // A will left by an earlier process has no client; it was authorised when it was set.
    if (!client || mayPublish(client.user, packet.topic)) {
      if (packet.payload.length <= Number(maxPacketBytes)) return done(null)
    }
    console.warn('refused: %j may not publish %d bytes to %j', client?.user, packet.payload.length, packet.topic)
    done(new Error('not authorised to publish there')) // aedes closes the connection
  },
  authorizeSubscribe (client, subscription, done) {
    const allowed = maySubscribe(client.user, subscription.topic)
    if (!allowed) console.warn('refused: %j may not subscribe to %j', client.user, subscription.topic)
    done(null, allowed ? subscription : NOT_GRANTED)
  }
})
broker.on('clientError', (client, error) => console.warn('client %s: %s', client.id, error.message))
broker.on('connectionError', (client, error) => console.warn('connection: %s', error.message))

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
