/* xfer.c - sendfile and splice. */
#include <pthread.h>
#include <sys/stat.h>
#include "preload/wrap.h"

enum { PIECE = 32768 };		/* on the stack of whatever thread calls */

/* Sends what lies at off in the file, in pieces. What was sent, or -errno if
 * that is nothing. */
static ssize_t send_pieces(struct fd_use *u, int in, off64_t off, size_t count, int *err)
{
	char buf[PIECE];
	size_t done = 0;

	*err = 0;
	while (done < count) {
		size_t want = min(count - done, sizeof(buf));
		ssize_t got = pread64(in, buf, want, off + (off64_t)done);
		struct iovec iov = { buf, (size_t)got };

		if (got <= 0) {
			*err = got < 0 ? (errno == EISDIR ? EINVAL : errno) : 0;
			break;
		}
		ssize_t sent = msg_send(u, &iov, 1, done + (size_t)got < count ? MSG_MORE : 0);

		if (sent < 0) {
			*err = (int)-sent;
			break;
		}
		done += (size_t)sent;
		if (sent < got)
			break;
	}
	return (ssize_t)done;
}

/* The kernel's cap of one call: MAX_RW_COUNT. */
static size_t cap_count(size_t count)
{
	return min(count, (size_t)0x7ffff000);
}

static bool is_pipe(int fd)
{
	struct stat st;

	return !fstat(fd, &st) && S_ISFIFO(st.st_mode);
}

/* From a socket it goes into a pipe alone: a splice by another name. */
static ssize_t from_elsewhere(int out, int in, off64_t *off, size_t count)
{
	int ret = fd_active() && !rt_bypass && !off && is_pipe(out) ? proc_hand_over(in) : 0;

	return ret < 0 ? result(ret) : LIBC(sendfile64)(out, in, off, count);
}

/* The file's own position is used, and moved by what was sent, where the
 * caller gives none. No thread is cancelled here, unlike in the calls within. */
ssize_t sendfile64(int out, int in, off64_t *off, size_t count)
{
	off64_t pos;
	ssize_t done;
	int err, cancel;
	FD_USE(u);

	if (!fd_get_stream(out, &u))
		return from_elsewhere(out, in, off, count);
	pos = off ? *off : lseek64(in, 0, SEEK_CUR);
	if (pos < 0)
		return result(off || errno == ESPIPE ? -EINVAL : -errno);
	pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &cancel);
	done = send_pieces(&u, in, pos, cap_count(count), &err);
	pthread_setcancelstate(cancel, NULL);
	if (off)
		*off = pos + done;
	else if (done > 0)
		lseek64(in, pos + done, SEEK_SET);
	if (done == 0 && err)
		return msg_send_result(-err, 0);
	return done;
}

ssize_t sendfile(int out, int in, off_t *off, size_t count)
{
	off64_t off64 = off ? *off : 0;
	ssize_t ret = sendfile64(out, in, off ? &off64 : NULL, count);

	if (off)
		*off = (off_t)off64;
	return ret;
}

static bool is_relay(int fd)
{
	FD_USE(u);

	return fd_get(fd, &u);
}

/* SPLICE_F_NONBLOCK is of the pipe alone: a TCP socket that may wait does. True:
 * there is something now, or an end; false: the error is the answer. */
static bool wait_for_input(int in, int out)
{
	struct pollfd p = { out, POLLOUT, 0 };
	char c;

	if (LIBC(fcntl)(in, F_GETFL) & O_NONBLOCK || LIBC(poll)(&p, 1, 0) != 1 ||
	    !(p.revents & POLLOUT)) {
		errno = EAGAIN;
		return false;
	}
	return LIBC(recv)(in, &c, 1, MSG_PEEK) >= 0;
}

/* A pipe's pages cannot be shared with a stream that lives elsewhere: the
 * sock becomes a relay, and the kernel splices to and from that. */
ssize_t splice(int in, off64_t *inoff, int out, off64_t *outoff, size_t len, unsigned int flags)
{
	ssize_t done;
	int ret;

	if (!rt_bypass && fd_active())
		pthread_testcancel();
	ret = proc_hand_over(in);
	if (ret == 0)
		ret = proc_hand_over(out);
	if (ret < 0)
		return result(ret);
	do
		done = LIBC(splice)(in, inoff, out, outoff, len, flags);
	while (done < 0 && errno == EAGAIN && flags & SPLICE_F_NONBLOCK && is_relay(in) &&
	       wait_for_input(in, out));
	return done;
}
