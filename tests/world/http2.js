// http2.js FILE: 30 streams of one connection at once, bodies both ways.
'use strict';
const fs = require('fs');
const http2 = require('http2');
const page = fs.readFileSync(process.argv[2]);
const key = fs.readFileSync('key.pem'), cert = fs.readFileSync('cert.pem');

const server = http2.createSecureServer({ key, cert, maxSessionMemory: 100 });
server.on('stream', (stream, headers) => {
	stream.respond({ ':status': 200, path: headers[':path'] });
	if (headers[':method'] === 'POST')
		stream.pipe(stream);
	else
		stream.end(page);
});

function ask(client, path, body) {
	return new Promise((resolve, reject) => {
		const stream = client.request({ ':path': path, ':method': body ? 'POST' : 'GET' });
		const parts = [];
		stream.on('response', (headers) => {
			if (headers.path !== path)
				reject(new Error(`${headers.path} instead of ${path}`));
		});
		stream.on('data', (part) => parts.push(part));
		stream.on('end', () => Buffer.concat(parts).equals(page) ? resolve() :
			reject(new Error(`${path}: not the page`)));
		stream.on('error', reject);
		stream.end(body);
	});
}

server.listen(0, '127.0.0.1', async () => {
	const client = http2.connect(`https://localhost:${server.address().port}`,
		{ ca: cert, maxSessionMemory: 100, lookup: (name, opts, done) => opts.all ?
			done(null, [{ address: '127.0.0.1', family: 4 }]) : done(null, '127.0.0.1', 4) });
	const all = [];
	for (let i = 0; i < 30; i++)
		all.push(ask(client, `/${i}`, i % 3 ? undefined : page));
	await Promise.all(all);
	client.close();
	server.close();
});
