-- luasocket: an echo in coroutines over select, and its HTTP client.
local socket = require "socket"
local http = require "socket.http"
local file = assert(io.open(arg[1], "rb"))
local page = file:read "a"

local server = assert(socket.bind("127.0.0.1", 0))
local _, port = server:getsockname()
local client = assert(socket.connect("127.0.0.1", port))
local peer = assert(server:accept())
client:settimeout(0)
peer:settimeout(0)
local sent, got = 0, {}
local size = 0
while size < #page do
	local readable, writable = socket.select({ peer }, sent < #page and { client } or nil, 20)
	if writable[client] then
		local last, err, part = client:send(page, sent + 1)
		assert(last or err == "timeout", err)
		sent = last or part
	end
	if readable[peer] then
		local text, err, part = peer:receive(8192)
		text = text or part
		assert(err == nil or err == "timeout", err)
		got[#got + 1] = text
		size = size + #text
	end
end
assert(table.concat(got) == page, "not what was sent")
client:close()
peer:settimeout(20)
local text, err = peer:receive()
assert(text == nil and err == "closed", err)

-- One request, answered by this same thread: the client sends it from a
-- coroutine's side of a plain connection.
client = assert(socket.connect("127.0.0.1", port))
client:send "GET / HTTP/1.0\r\n\r\n"
peer = assert(server:accept())
repeat
	local line = assert(peer:receive "*l")
until line == ""
peer:settimeout(0)
local at = 0
client:settimeout(0)
got, size = {}, 0
local head = "HTTP/1.0 200 OK\r\n\r\n"
local answer = head .. page
while size < #answer do
	local readable, writable = socket.select({ client }, at < #answer and { peer } or nil, 20)
	if writable[peer] then
		local last, e, part = peer:send(answer, at + 1)
		assert(last or e == "timeout", e)
		at = last or part
	end
	if readable[client] then
		local t, e, part = client:receive "*a"
		assert(t or e == "timeout" or e == "closed", e)
		got[#got + 1] = t or part
		size = size + #(t or part)
	end
end
assert(table.concat(got) == answer, "not the answer")
server:close()
assert(not http.request("http://127.0.0.1:" .. port .. "/"), "a closed port answers")
