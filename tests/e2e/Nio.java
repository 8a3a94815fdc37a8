/*
 * Nio.java - a selector-driven echo server and client in one file.
 *
 *	java Nio.java server PORT
 *	java Nio.java client PORT CONNECTIONS BYTES
 *
 * The client keeps all its connections in one selector, writes BYTES on each
 * while it reads the echo, half-closes, and compares.
 */
import java.io.IOException;
import java.net.InetSocketAddress;
import java.net.StandardSocketOptions;
import java.nio.ByteBuffer;
import java.nio.channels.SelectionKey;
import java.nio.channels.Selector;
import java.nio.channels.ServerSocketChannel;
import java.nio.channels.SocketChannel;
import java.util.Iterator;

public class Nio {
	static class Echo {
		final ByteBuffer buf = ByteBuffer.allocateDirect(65536);
		boolean ended;
	}

	static class Flow {
		final int number;
		int sent, got;
		boolean shut;
		final ByteBuffer out = ByteBuffer.allocateDirect(32768);
		final ByteBuffer in = ByteBuffer.allocateDirect(32768);

		Flow(int number) {
			this.number = number;
			out.flip();
		}

		byte at(int i) {
			return (byte) (i * 31 + i / 257 + number);
		}
	}

	public static void main(String[] args) throws IOException {
		InetSocketAddress where =
			new InetSocketAddress("127.0.0.1", Integer.parseInt(args[1]));

		if (args[0].equals("server"))
			serve(where);
		else
			call(where, Integer.parseInt(args[2]), Integer.parseInt(args[3]));
	}

	static void serve(InetSocketAddress where) throws IOException {
		Selector selector = Selector.open();
		ServerSocketChannel listener = ServerSocketChannel.open();

		listener.bind(where, 512);
		listener.configureBlocking(false);
		listener.register(selector, SelectionKey.OP_ACCEPT);
		while (true) {
			selector.select();
			Iterator<SelectionKey> it = selector.selectedKeys().iterator();
			while (it.hasNext()) {
				SelectionKey key = it.next();

				it.remove();
				if (key.isAcceptable()) {
					SocketChannel ch = listener.accept();
					if (ch == null)
						continue;
					ch.configureBlocking(false);
					ch.register(selector, SelectionKey.OP_READ, new Echo());
				} else {
					echo(key);
				}
			}
		}
	}

	static void echo(SelectionKey key) {
		SocketChannel ch = (SocketChannel) key.channel();
		Echo e = (Echo) key.attachment();

		try {
			if (key.isReadable() && ch.read(e.buf) < 0)
				e.ended = true;
			e.buf.flip();
			ch.write(e.buf);
			e.buf.compact();
			if (e.ended && e.buf.position() == 0) {
				ch.close();
				return;
			}
			int ops = e.buf.position() > 0 ? SelectionKey.OP_WRITE : 0;
			if (!e.ended && e.buf.hasRemaining())
				ops |= SelectionKey.OP_READ;
			key.interestOps(ops);
		} catch (IOException x) {
			System.out.println("server: " + x);
			try {
				ch.close();
			} catch (IOException y) {
				System.out.println("server: close: " + y);
			}
		}
	}

	static void call(InetSocketAddress where, int connections, int bytes) throws IOException {
		Selector selector = Selector.open();
		int left = connections;
		long deadline = System.nanoTime() + 60_000_000_000L;

		for (int i = 0; i < connections; i++) {
			SocketChannel ch = SocketChannel.open();

			ch.configureBlocking(false);
			ch.setOption(StandardSocketOptions.TCP_NODELAY, true);
			ch.register(selector, SelectionKey.OP_CONNECT, new Flow(i));
			ch.connect(where);
		}
		while (left > 0) {
			if (System.nanoTime() > deadline)
				throw new IOException(left + " connections are not done");
			selector.select(1000);
			Iterator<SelectionKey> it = selector.selectedKeys().iterator();
			while (it.hasNext()) {
				SelectionKey key = it.next();

				it.remove();
				if (step(key, bytes)) {
					key.channel().close();
					left--;
				}
			}
		}
		System.out.println(connections + " connections, " + bytes + " bytes each");
	}

	/* True: this flow has ended as it should. */
	static boolean step(SelectionKey key, int bytes) throws IOException {
		SocketChannel ch = (SocketChannel) key.channel();
		Flow f = (Flow) key.attachment();

		if (key.isConnectable()) {
			ch.finishConnect();
			key.interestOps(SelectionKey.OP_READ | SelectionKey.OP_WRITE);
			return false;
		}
		if (key.isWritable())
			fill(key, ch, f, bytes);
		if (!key.isReadable())
			return false;
		f.in.clear();
		int n = ch.read(f.in);
		if (n < 0) {
			if (f.got != bytes)
				throw new IOException("flow " + f.number + ": end at " + f.got);
			return true;
		}
		f.in.flip();
		for (; f.in.hasRemaining(); f.got++)
			if (f.in.get() != f.at(f.got))
				throw new IOException("flow " + f.number + ": wrong at " + f.got);
		return false;
	}

	static void fill(SelectionKey key, SocketChannel ch, Flow f, int bytes) throws IOException {
		if (!f.out.hasRemaining()) {
			f.out.clear();
			int end = Math.min(bytes, f.sent + f.out.capacity());
			for (; f.sent < end; f.sent++)
				f.out.put(f.at(f.sent));
			f.out.flip();
		}
		ch.write(f.out);
		if (f.sent == bytes && !f.out.hasRemaining() && !f.shut) {
			f.shut = true;
			ch.shutdownOutput();
			key.interestOps(SelectionKey.OP_READ);
		}
	}
}
