// node_client.js PORT: GETs and POSTs over kept and fresh connections, with
// the answers compared.
'use strict';
const http = require('http');
const { pattern } = require('./node_pattern.js');

const port = Number(process.argv[2]);

function request(agent, method, path, body) {
	return new Promise((resolve, reject) => {
		const req = http.request(
			{ host: '127.0.0.1', port, agent, method, path, timeout: 30000 }, (res) => {
				const chunks = [];

				res.on('data', (c) => chunks.push(c));
				res.on('end', () => resolve(Buffer.concat(chunks)));
				res.on('error', reject);
			});
		req.on('error', reject);
		req.on('timeout', () => req.destroy(new Error(`timeout: ${method} ${path}`)));
		req.end(body);
	});
}

async function get(agent, n) {
	const got = await request(agent, 'GET', `/${n}`);

	if (!got.equals(pattern(n)))
		throw new Error(`GET /${n}: wrong data, ${got.length} bytes`);
}

async function post(agent, n) {
	const body = pattern(n);
	const got = await request(agent, 'POST', '/', body);

	if (!got.equals(body))
		throw new Error(`POST of ${n}: wrong data, ${got.length} bytes`);
}

async function main() {
	const kept = new http.Agent({ keepAlive: true, maxSockets: 8 });
	const fresh = new http.Agent({ keepAlive: false });
	const jobs = [];

	for (let i = 0; i < 400; i++) {
		jobs.push(get(kept, i * 37));
		if (i % 4 === 0)
			jobs.push(get(fresh, i), post(kept, i * 501));
	}
	jobs.push(get(kept, 3000000), post(fresh, 3000000));
	await Promise.all(jobs);
	kept.destroy();
	console.log(`${jobs.length} requests`);
}

main().catch((e) => {
	console.log(String(e.stack || e));
	process.exit(1);
});
