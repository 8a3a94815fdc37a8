-- librudp.lua - a Wireshark dissector for rudp(7), the protocol of librudp.
--
--   $ tshark -X lua_script:librudp.lua -r capture.pcap
--   $ cp librudp.lua ~/.local/lib/wireshark/plugins/        for Wireshark itself
--
-- UDP datagrams that begin like a packet are recognised on any port. The
-- checksum is seeded with the ids of both ends, which only the opening names:
-- it is verified for connections whose opening was captured, and called
-- unverified for others.

local rudp = Proto("librudp", "Reliable streams over UDP")

rudp.prefs.check = Pref.bool("Verify the checksum", true,
	"Costs time: XXH3 is computed in Lua")

-- ---- 64-bit numbers ---------------------------------------------------------
--
-- As four limbs of 16 bits, the least significant first: sums and products of
-- limbs are exact in every Lua's numbers.

local floor = math.floor

local function u64(hi, lo)
	return { lo % 65536, floor(lo / 65536), hi % 65536, floor(hi / 65536) }
end

local function add(a, b)
	local r, carry = {}, 0

	for i = 1, 4 do
		local s = a[i] + b[i] + carry

		r[i] = s % 65536
		carry = floor(s / 65536)
	end
	return r
end

-- The product's eight limbs.
local function mul_wide(a, b)
	local r = { 0, 0, 0, 0, 0, 0, 0, 0 }

	for i = 1, 4 do
		local carry = 0

		for j = 1, 4 do
			local s = r[i + j - 1] + a[i] * b[j] + carry

			r[i + j - 1] = s % 65536
			carry = floor(s / 65536)
		end
		r[i + 4] = carry
	end
	return r
end

local function mul(a, b)
	local r = mul_wide(a, b)

	return { r[1], r[2], r[3], r[4] }
end

-- bit32 is Lua 5.2's; later ones have operators, which 5.2 cannot read.
local bxor16
if bit32 then
	bxor16 = bit32.bxor
else
	bxor16 = load("return function(a, b) return a ~ b end")()
end

local function xor(a, b)
	return { bxor16(a[1], b[1]), bxor16(a[2], b[2]), bxor16(a[3], b[3]), bxor16(a[4], b[4]) }
end

local function neg(a)
	return add({ 65535 - a[1], 65535 - a[2], 65535 - a[3], 65535 - a[4] }, { 1, 0, 0, 0 })
end

local function shr(a, n)
	local r, limbs, bits = {}, floor(n / 16), n % 16
	local down, up = 2 ^ bits, 2 ^ (16 - bits)

	for i = 1, 4 do
		local lo, hi = a[i + limbs] or 0, a[i + limbs + 1] or 0

		r[i] = floor(lo / down) + (hi * up) % 65536
	end
	return r
end

local function shl(a, n)
	local r, limbs, bits = {}, floor(n / 16), n % 16
	local down, up = 2 ^ (16 - bits), 2 ^ bits

	for i = 1, 4 do
		local hi, lo = a[i - limbs] or 0, a[i - limbs - 1] or 0

		r[i] = (hi * up) % 65536 + floor(lo / down)
	end
	return r
end

local function rotl(a, n)
	return xor(shl(a, n), shr(a, 64 - n))
end

local function low32(a)
	return { a[1], a[2], 0, 0 }
end

local function swap64(a)
	local r = {}

	for i = 1, 4 do
		local v = a[5 - i]

		r[i] = (v % 256) * 256 + floor(v / 256)
	end
	return r
end

-- ---- XXH3-64 ------------------------------------------------------------------
--
-- Of strings; after the specification in xxHash's doc/xxhash_spec.md.

local P32_1, P32_2, P32_3 = u64(0, 0x9E3779B1), u64(0, 0x85EBCA77), u64(0, 0xC2B2AE3D)
local P64_1, P64_2 = u64(0x9E3779B1, 0x85EBCA87), u64(0xC2B2AE3D, 0x27D4EB4F)
local P64_3, P64_4 = u64(0x165667B1, 0x9E3779F9), u64(0x85EBCA77, 0xC2B2AE63)
local P64_5 = u64(0x27D4EB2F, 0x165667C5)
local PMX_1, PMX_2 = u64(0x16566791, 0x9E3779F9), u64(0x9FB21C65, 0x1E98DF25)

-- The default secret: 192 bytes.
local SECRET = (
	"b8fe6c3923a44bbe7c01812cf721ad1cded46de9839097db7240a4a4b7b3671f" ..
	"cb79e64eccc0e578825ad07dccff7221b8084674f743248ee03590e6813a264c" ..
	"3c2852bb91c300cb88d0658b1b532ea371644897a20df94e3819ef46a9deacd8" ..
	"a8fa763fe39c343ff9dcbbc7c70b4f1d8a51e04bcdb45931c89f7ec9d9787364" ..
	"eac5ac8334d3ebc3c581a0fffa1363eb170ddd51b7f0da49d316552629d4689e" ..
	"2b16be587d47a1fc8ff8b8d17ad031ce45cb3a8f95160428afd7fbcabb4b407e"):gsub("%x%x", function(h)
	return string.char(tonumber(h, 16))
end)

local function read32(s, at)
	local a, b, c, d = s:byte(at + 1, at + 4)

	return { a + b * 256, c + d * 256, 0, 0 }
end

local function read64(s, at)
	local a, b, c, d, e, f, g, h = s:byte(at + 1, at + 8)

	return { a + b * 256, c + d * 256, e + f * 256, g + h * 256 }
end

local function from(n)
	return { n % 65536, floor(n / 65536), 0, 0 }
end

local function avalanche(h)
	h = mul(xor(h, shr(h, 37)), PMX_1)
	return xor(h, shr(h, 32))
end

local function avalanche64(h)
	h = mul(xor(h, shr(h, 33)), P64_2)
	h = mul(xor(h, shr(h, 29)), P64_3)
	return xor(h, shr(h, 32))
end

local function fold(a, b)
	local r = mul_wide(a, b)

	return xor({ r[1], r[2], r[3], r[4] }, { r[5], r[6], r[7], r[8] })
end

local function mix16(s, at, secret, seed)
	return fold(xor(read64(s, at), add(read64(SECRET, secret), seed)),
		    xor(read64(s, at + 8), add(read64(SECRET, secret + 8), neg(seed))))
end

local function hash_0to16(s, len, seed)
	if len == 0 then
		return avalanche64(xor(seed, xor(read64(SECRET, 56), read64(SECRET, 64))))
	elseif len < 4 then
		local c1, c2, c3 = s:byte(1), s:byte(floor(len / 2) + 1), s:byte(len)
		local combined = { c3 + len * 256, c1 + c2 * 256, 0, 0 }
		local key = add(xor(read32(SECRET, 0), read32(SECRET, 4)), seed)

		return avalanche64(xor(combined, key))
	elseif len <= 8 then
		local s1 = xor(seed, swap64(low32(seed)))
		local key = add(xor(read64(SECRET, 8), read64(SECRET, 16)), neg(s1))
		local h = xor(key, add(read32(s, len - 4), shl(read32(s, 0), 32)))

		h = mul(xor(h, xor(rotl(h, 49), rotl(h, 24))), PMX_2)
		h = mul(xor(h, add(shr(h, 35), from(len))), PMX_2)
		return xor(h, shr(h, 28))
	end
	local lo = xor(add(xor(read64(SECRET, 24), read64(SECRET, 32)), seed), read64(s, 0))
	local hi = xor(add(xor(read64(SECRET, 40), read64(SECRET, 48)), neg(seed)),
		       read64(s, len - 8))

	return avalanche(add(add(from(len), swap64(lo)), add(hi, fold(lo, hi))))
end

local function hash_17to128(s, len, seed)
	local acc = mul(from(len), P64_1)

	for i = floor((len - 1) / 32), 0, -1 do
		acc = add(acc, mix16(s, 16 * i, 32 * i, seed))
		acc = add(acc, mix16(s, len - 16 * (i + 1), 32 * i + 16, seed))
	end
	return avalanche(acc)
end

local function hash_129to240(s, len, seed)
	local acc = mul(from(len), P64_1)

	for i = 0, 7 do
		acc = add(acc, mix16(s, 16 * i, 16 * i, seed))
	end
	acc = avalanche(acc)
	for i = 8, floor(len / 16) - 1 do
		acc = add(acc, mix16(s, 16 * i, 16 * (i - 8) + 3, seed))
	end
	return avalanche(add(acc, mix16(s, len - 16, 136 - 17, seed)))
end

local function stripe(acc, s, at, secret)
	for i = 0, 7 do
		local value = read64(s, at + 8 * i)
		local key = xor(value, read64(SECRET, secret + 8 * i))
		local other = bxor16(i, 1) + 1

		acc[other] = add(acc[other], value)
		acc[i + 1] = add(acc[i + 1], mul(low32(key), shr(key, 32)))
	end
end

local function scramble(acc)
	for i = 0, 7 do
		local v = acc[i + 1]

		v = xor(xor(v, shr(v, 47)), read64(SECRET, #SECRET - 64 + 8 * i))
		acc[i + 1] = mul(v, P32_1)
	end
end

-- Longer than 240 bytes: seed 0 alone, payloads have no other.
local function hash_long(s, len)
	local acc = { P32_3, P64_1, P64_2, P64_3, P64_4, P32_2, P64_5, P32_1 }
	local per_block = (#SECRET - 64) / 8
	local stripes = floor((len - 1) / 64)

	for n = 0, stripes - 1 do
		stripe(acc, s, 64 * n, 8 * (n % per_block))
		if n % per_block == per_block - 1 then
			scramble(acc)
		end
	end
	stripe(acc, s, len - 64, #SECRET - 64 - 7)
	local r = mul(from(len), P64_1)

	for i = 0, 3 do
		r = add(r, fold(xor(acc[2 * i + 1], read64(SECRET, 11 + 16 * i)),
				xor(acc[2 * i + 2], read64(SECRET, 11 + 16 * i + 8))))
	end
	return avalanche(r)
end

local ZERO = { 0, 0, 0, 0 }

local function xxh3(s, seed)
	local len = #s

	if len <= 16 then
		return hash_0to16(s, len, seed)
	elseif len <= 128 then
		return hash_17to128(s, len, seed)
	elseif len <= 240 then
		return hash_129to240(s, len, seed)
	end
	return hash_long(s, len)
end

-- ---- the connection's seed ---------------------------------------------------
--
-- Ids are strings of their eight bytes as the wire has them.

local NONE = ("\0"):rep(8)
local peer_of = {}	-- an id's other end, learnt from openings

function rudp.init()
	peer_of = {}
end

-- The XXH3-64 of an id, the least significant byte first.
local function hash_id(id)
	return xxh3(id:reverse(), ZERO)
end

local function seed_of(a, b)
	local h = hash_id(a)

	if b and b ~= NONE then
		h = add(h, hash_id(b))
	end
	return h
end

-- The ids whose seeds a packet may have, the likeliest first.
local function candidates(p)
	local list = {}

	if p.syn then
		list[1] = { p.ack_flag and p.dst or p.src }
		return list
	end
	if p.dst == NONE then		-- a reset of an unknown id, which is in seq
		return { { p.seq } }
	end
	local peer = p.src or peer_of[p.dst]

	if peer then
		list[1] = { p.dst, peer }
	end
	if p.rst then			-- by somebody who has no such connection
		list[#list + 1] = { p.dst }
	end
	return list
end

local GOOD, BAD, UNVERIFIED = 1, 0, 2

local function check_sum(p, bytes)
	local ids = candidates(p)

	if #ids == 0 or not rudp.prefs.check then
		return UNVERIFIED
	end
	local header = bytes:sub(1, 4) .. "\0\0\0\0" .. bytes:sub(9, p.hlen)
	local payload = bytes:sub(p.hlen + 1)
	local hash = #payload > 0 and xxh3(payload, ZERO) or ZERO

	for _, id in ipairs(ids) do
		local sum = add(xxh3(header, seed_of(id[1], id[2])), hash)

		if sum[1] + sum[2] * 65536 == p.sum then
			return GOOD
		end
	end
	-- a reset may be of a connection whose opening nobody saw
	return p.rst and p.dst ~= NONE and not peer_of[p.dst] and UNVERIFIED or BAD
end

-- ---- fields -------------------------------------------------------------------

local f = {}
local flag_names = { [0] = "SYN", "ACK", "FIN", "RST", "PSH", "NOMEM", "URG", "REPLY" }
local options = { [1] = "OPEN", [2] = "SACK", [3] = "DSACK" }
local verdicts = { [BAD] = "Bad", [GOOD] = "Good", [UNVERIFIED] = "Unverified" }

f.version = ProtoField.uint8("librudp.version", "Version", base.DEC, nil, 0x0f)
f.flags = ProtoField.uint8("librudp.flags", "Flags", base.HEX)
for bit = 0, 7 do
	local name = flag_names[bit]

	f["flag" .. bit] = ProtoField.bool("librudp.flags." .. name:lower(), name, 8, nil, 2 ^ bit)
end
f.hlen = ProtoField.uint16("librudp.header_length", "Header length", base.DEC)
f.checksum = ProtoField.uint32("librudp.checksum", "Checksum", base.HEX)
f.status = ProtoField.uint8("librudp.checksum.status", "Checksum status", base.DEC, verdicts)
f.dst = ProtoField.uint64("librudp.dst_id", "Destination id", base.HEX)
f.peer = ProtoField.uint64("librudp.src_id", "Sender's id", base.HEX)
f.seq = ProtoField.uint64("librudp.seq", "Sequence", base.DEC)
f.ack = ProtoField.uint64("librudp.ack", "Acknowledgement", base.DEC)
f.wnd = ProtoField.uint32("librudp.window", "Window", base.DEC)
f.ts = ProtoField.uint32("librudp.ts", "Time stamp", base.DEC)
f.ts_ecr = ProtoField.uint32("librudp.ts_echo", "Time stamp echo", base.DEC)
f.credit = ProtoField.uint32("librudp.credit", "Credit", base.DEC)
f.kind = ProtoField.uint8("librudp.option", "Option", base.DEC, options)
f.optlen = ProtoField.uint8("librudp.option.length", "Length", base.DEC)
f.dgram_max = ProtoField.uint16("librudp.open.datagram_max", "Largest datagram", base.DEC)
f.src_id = ProtoField.uint64("librudp.open.src_id", "Sender's id", base.HEX)
f.cookie = ProtoField.uint64("librudp.open.cookie_time", "Cookie time", base.DEC)
f.sack_start = ProtoField.uint64("librudp.sack.start", "Block from", base.DEC)
f.sack_end = ProtoField.uint64("librudp.sack.end", "Block to", base.DEC)
f.dsack_start = ProtoField.uint64("librudp.dsack.start", "Arrived twice from", base.DEC)
f.dsack_end = ProtoField.uint64("librudp.dsack.end", "Arrived twice to", base.DEC)
f.len = ProtoField.uint32("librudp.len", "Payload length", base.DEC)
f.payload = ProtoField.bytes("librudp.payload", "Payload")
rudp.fields = f

local e = {
	sum = ProtoExpert.new("librudp.checksum.bad", "The checksum is wrong",
			      expert.group.CHECKSUM, expert.severity.ERROR),
	malformed = ProtoExpert.new("librudp.malformed", "An option's length is wrong",
				    expert.group.MALFORMED, expert.severity.ERROR),
	reset = ProtoExpert.new("librudp.reset", "The connection was reset",
				expert.group.SEQUENCE, expert.severity.WARN),
}
rudp.experts = e

-- ---- options --------------------------------------------------------------------

local HEADER, HEADER_MAX = 48, 236

local function dissect_open(tvb, tree)
	tree:add(f.dgram_max, tvb(2, 2))
	tree:add(f.src_id, tvb(4, 8))
	tree:add(f.cookie, tvb(12, 8))
end

-- Blocks are relative to the acknowledgement; shown as offsets of the stream.
local function dissect_sack(tvb, tree, ack, notes)
	for at = 4, tvb:len() - 8, 8 do
		local from = ack + tvb(at, 4):uint()
		local to = ack + tvb(at + 4, 4):uint()

		tree:add(f.sack_start, tvb(at, 4), from)
		tree:add(f.sack_end, tvb(at + 4, 4), to)
		notes[#notes + 1] = (" SACK=%s-%s"):format(tostring(from), tostring(to))
	end
end

local function dissect_dsack(tvb, tree, _, notes)
	tree:add(f.dsack_start, tvb(4, 8))
	tree:add(f.dsack_end, tvb(12, 8))
	notes[#notes + 1] = (" DSACK=%s-%s"):format(tostring(tvb(4, 8):uint64()),
						    tostring(tvb(12, 8):uint64()))
end

local dissect_option = { dissect_open, dissect_sack, dissect_dsack }
local option_length = {
	function(len) return len == 36 end,
	function(len) return (len - 4) % 8 == 0 end,
	function(len) return len == 20 end,
}

local function dissect_options(tvb, hlen, tree, notes)
	local ack = tvb(24, 8):uint64()
	local at = HEADER

	while at + 4 <= hlen do
		local kind, len = tvb(at, 1):uint(), tvb(at + 1, 1):uint()
		local known = dissect_option[kind]

		if len < 4 or len % 4 ~= 0 or at + len > hlen or
		   known and not option_length[kind](len) then
			tree:add_proto_expert_info(e.malformed)
			return
		end
		local sub = tree:add(tvb(at, len), "Option: " .. (options[kind] or "unknown"))

		sub:add(f.kind, tvb(at, 1))
		sub:add(f.optlen, tvb(at + 1, 1))
		if known then
			known(tvb(at, len):tvb(), sub, ack, notes)
		end
		at = at + len
	end
end

-- ---- a packet ---------------------------------------------------------------------

local function has(flags, bit)
	return floor(flags / 2 ^ bit) % 2 == 1
end

-- What the checksum depends on.
local function read(tvb, bytes)
	local flags = tvb(1, 1):uint()
	local p = {
		flags = flags, syn = has(flags, 0), ack_flag = has(flags, 1), rst = has(flags, 3),
		hlen = tvb(2, 2):uint(), sum = tvb(4, 4):uint(),
		dst = bytes:sub(9, 16), seq = bytes:sub(17, 24),
	}

	if p.hlen >= HEADER + 36 and tvb(HEADER, 2):uint() == 0x0124 then
		p.src = bytes:sub(HEADER + 5, HEADER + 12)
	end
	if p.src and p.dst ~= NONE and not p.rst then
		peer_of[p.src] = p.dst
		peer_of[p.dst] = p.src
	end
	return p
end

local function flag_list(flags)
	local names = {}

	for bit = 0, 7 do
		if has(flags, bit) then
			names[#names + 1] = flag_names[bit]
		end
	end
	return #names > 0 and table.concat(names, ", ") or "none"
end

local function add_header(tvb, tree, p)
	tree:add(f.version, tvb(0, 1))
	local flags = tree:add(f.flags, tvb(1, 1))

	flags:append_text(" (" .. flag_list(p.flags) .. ")")
	for bit = 0, 7 do
		flags:add(f["flag" .. bit], tvb(1, 1))
	end
	tree:add(f.hlen, tvb(2, 2))
	local sum = tree:add(f.checksum, tvb(4, 4))

	sum:append_text(" [" .. verdicts[p.status]:lower() .. "]")
	tree:add(f.status, tvb(4, 4), p.status):set_generated()
	if p.status == BAD then
		sum:add_proto_expert_info(e.sum)
	end
	tree:add(f.dst, tvb(8, 8))
	local peer = peer_of[p.dst]

	if peer then
		tree:add(f.peer, tvb(8, 8), UInt64.fromhex(Struct.tohex(peer))):set_generated()
	end
	tree:add(f.seq, tvb(16, 8))
	tree:add(f.ack, tvb(24, 8))
	tree:add(f.wnd, tvb(32, 4))
	tree:add(f.ts, tvb(36, 4))
	tree:add(f.ts_ecr, tvb(40, 4))
	tree:add(f.credit, tvb(44, 4))
end

local function dissect_packet(tvb, pinfo, root)
	local bytes = tvb:raw()
	local p = read(tvb, bytes)
	local len = tvb:len() - p.hlen
	local tree = root:add(rudp, tvb())
	local notes = {}

	p.status = check_sum(p, bytes)
	add_header(tvb, tree, p)
	dissect_options(tvb, p.hlen, tree, notes)
	tree:add(f.len, tvb(2, 2), len):set_generated()
	if len > 0 then
		tree:add(f.payload, tvb(p.hlen, len))
	end
	if p.rst then
		tree:add_proto_expert_info(e.reset)
	end
	local info = ("[%s] Seq=%s Ack=%s Win=%u Len=%u%s%s"):format(flag_list(p.flags),
		tostring(tvb(16, 8):uint64()), tostring(tvb(24, 8):uint64()),
		tvb(32, 4):uint(), len, table.concat(notes),
		p.status == BAD and " CHECKSUM BAD" or "")

	tree:append_text(", " .. info)
	return info
end

-- ---- a datagram ---------------------------------------------------------------------

local function looks_right(tvb)
	if tvb:len() < HEADER or tvb(0, 1):uint() ~= 0xb1 then
		return false
	end
	local hlen = tvb(2, 2):uint()

	return hlen >= HEADER and hlen <= HEADER_MAX and hlen % 4 == 0 and hlen <= tvb:len() and
	       tvb(24, 1):uint() < 0x80
end

-- The loopback device, and others before their hardware cuts it up, show a
-- train of packets as one datagram. The next packet begins where a header for
-- the same id says that its payload follows ours.
local function packet_length(tvb, offset)
	local bytes = tvb:raw(offset)
	local hlen = bytes:byte(3) * 256 + bytes:byte(4)
	local dst, at = bytes:sub(9, 16), hlen
	local seq = read64(bytes:sub(17, 24):reverse(), 0)

	while dst ~= NONE do
		at = bytes:find(dst, at + 1, true)
		if not at then
			break
		end
		local start = at - 9	-- bytes before that packet
		local next_seq = start >= hlen and #bytes >= start + HEADER and
				 bytes:sub(start + 17, start + 24):reverse()

		if next_seq and bytes:byte(start + 1) == 0xb1 then
			local want, got = add(seq, from(start - hlen)), read64(next_seq, 0)

			if want[1] == got[1] and want[2] == got[2] and want[3] == got[3] and
			   want[4] == got[4] then
				return start
			end
		end
	end
	return #bytes
end

function rudp.dissector(tvb, pinfo, root)
	local at, infos = 0, {}

	if not looks_right(tvb) then
		return 0
	end
	pinfo.cols.protocol = "RUDP"
	while at < tvb:len() do
		local rest = tvb(at):tvb()

		if not looks_right(rest) then
			break
		end
		local len = packet_length(tvb, at)

		infos[#infos + 1] = dissect_packet(tvb(at, len):tvb(), pinfo, root)
		at = at + len
	end
	pinfo.cols.info = ("%u → %u %s%s"):format(pinfo.src_port, pinfo.dst_port, infos[1],
		#infos > 1 and (" (and %u more)"):format(#infos - 1) or "")
	return tvb:len()
end

rudp:register_heuristic("udp", function(tvb, pinfo, root)
	return looks_right(tvb) and rudp.dissector(tvb, pinfo, root) > 0
end)
