# Threads, fibers' scheduler apart: TCPServer, IO.select, copy_stream, net/http
# over a server of a few lines, drb.
require 'drb'
require 'net/http'
require 'socket'

PAGE = File.binread(ARGV[0])

def check(what, good) = good || abort("#{what}: wrong")

# Echo, non-blocking on the client's side.
server = TCPServer.new('127.0.0.1', 0)
Thread.new do
  loop do
    Thread.new(server.accept) { |c| IO.copy_stream(c, c); c.close }
  end
end
sockets = 8.times.map { TCPSocket.new('127.0.0.1', server.addr[1]) }
writers = sockets.map { |s| Thread.new { s.write(PAGE); s.close_write } }
got = sockets.to_h { |s| [s, +''.b] }
until sockets.empty?
  IO.select(sockets, nil, nil, 20)&.first&.each do |s|
    part = s.read_nonblock(65_536, exception: false)
    next if part == :wait_readable
    if part
      got[s] << part
    else
      check('echo', got[s] == PAGE)
      sockets.delete(s)
    end
  end
end
writers.each(&:join)

# net/http against a line-wise server: gets, read, print.
web = TCPServer.new('127.0.0.1', 0)
Thread.new do
  loop do
    Thread.new(web.accept) do |c|
      while (request = c.gets)
        length = 0
        while (line = c.gets) && line != "\r\n"
          length = line.split[1].to_i if line =~ /^content-length:/i
        end
        body = request.start_with?('POST') ? c.read(length).reverse : PAGE
        c.print "HTTP/1.1 200 OK\r\nContent-Length: #{body.bytesize}\r\n\r\n", body
      end
    end
  end
end
Net::HTTP.start('127.0.0.1', web.addr[1]) do |http|
  3.times do
    check('get', http.get('/').body == PAGE)
    check('post', http.post('/', PAGE).body == PAGE.reverse)
  end
end

# Objects of another process.
reader, writer = IO.pipe
child = fork do
  DRb.start_service('druby://127.0.0.1:0', { 'count' => 1 })
  writer.puts DRb.uri
  writer.close
  DRb.thread.join
end
there = DRbObject.new_with_uri(reader.gets.chomp)
200.times { there['count'] = there['count'] + 1 }
check('drb', there['count'] == 201)
Process.kill('TERM', child)
Process.wait(child)
