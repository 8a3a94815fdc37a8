/* A cluster as node's users write it: the primary listens, workers get its
 * handles, or connections, in messages.  cluster.js PORT rr|none */
'use strict';
const cluster = require('cluster');
const http = require('http');
const port = Number(process.argv[2]);

if (cluster.isPrimary === undefined ? cluster.isMaster : cluster.isPrimary) {
	let ready = 0;
	cluster.schedulingPolicy = process.argv[3] === 'rr' ? cluster.SCHED_RR : cluster.SCHED_NONE;
	for (let i = 0; i < 3; i++)
		cluster.fork();
	cluster.on('listening', () => {
		if (++ready === 3)
			console.log('listening');
	});
	cluster.on('exit', (worker) => {
		if (!worker.exitedAfterDisconnect) {
			console.log('replaced');
			cluster.fork();
		}
	});
	process.on('SIGTERM', () => {
		for (const id in cluster.workers)
			cluster.workers[id].process.kill('SIGKILL');
		process.exit(0);
	});
} else {
	http.createServer((req, res) => {
		if (req.url === '/die')
			process.exit(1);
		let body = [];
		req.on('data', (chunk) => body.push(chunk));
		req.on('end', () => {
			body = Buffer.concat(body);
			res.setHeader('X-Pid', process.pid);
			res.setHeader('X-Peer', req.socket.remoteAddress);
			res.end(body);
		});
	}).listen(port, '127.0.0.1');
}
