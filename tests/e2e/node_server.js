// node_server.js PORT: echoes the body of a POST, and answers a GET of
// /N with N bytes that the client can compute.
'use strict';
const http = require('http');
const { pattern } = require('./node_pattern.js');

http.createServer((req, res) => {
	if (req.method === 'POST') {
		req.pipe(res);
		return;
	}
	res.end(pattern(Number(req.url.slice(1))));
}).listen(Number(process.argv[2]), '127.0.0.1');
