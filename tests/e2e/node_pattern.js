// pattern(n): n bytes that look random and are the same everywhere.
'use strict';

exports.pattern = (n) => {
	const b = Buffer.alloc(n);
	let x = n + 1;

	for (let i = 0; i < n; i++) {
		x = (Math.imul(x, 1103515245) + 12345) & 0x7fffffff;
		b[i] = x >> 16;
	}
	return b;
};
