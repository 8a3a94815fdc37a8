// tls.js FILE: node's TLS, both ends, with the sessions of earlier connections.
'use strict';
const fs = require('fs');
const tls = require('tls');
const page = fs.readFileSync(process.argv[2]);
const key = fs.readFileSync('key.pem'), cert = fs.readFileSync('cert.pem');

const server = tls.createServer({ key, cert, allowHalfOpen: true }, (s) => {
	const parts = [];
	s.on('data', (part) => parts.push(part));
	s.on('end', () => s.end(Buffer.concat(parts)));
});

function echo(session) {
	return new Promise((resolve, reject) => {
		let fresh = session;
		const parts = [];
		const s = tls.connect({
			port: server.address().port, host: '127.0.0.1', ca: cert, session,
			servername: 'localhost', allowHalfOpen: true,
		}, () => s.end(page));
		s.on('session', (next) => { fresh = next; });
		s.on('data', (part) => parts.push(part));
		s.on('end', () => {
			if (session && !s.isSessionReused())
				reject(new Error('the session was not taken up'));
			if (!Buffer.concat(parts).equals(page))
				reject(new Error('not what was sent'));
			resolve(fresh);
		});
		s.on('error', reject);
	});
}

server.listen(0, '127.0.0.1', async () => {
	await Promise.all([1, 2, 3, 4, 5].map(() => echo()));
	let session = await echo();
	for (let i = 0; i < 4; i++)
		session = await echo(session);
	server.close();
});
