/*
 * urgent.c - urgent data: the byte for the program, PRI and SIGURG for who waits.
 *
 * The mirror shows PRI by a byte that is urgent on the AF_UNIX pair, too; the
 * kernel sends SIGURG for it. But such a byte is IN besides, which the stream's
 * is not, and who does not expect urgent data would read in vain: it is shown
 * to those only who have asked for PRI, or for the signal. While it is there no
 * token is taken back, since reading would pass over it; and when it has been
 * taken it leaves a hole in the queue that is readable until somebody reads.
 */
#include <errno.h>
#include "rt/rt.h"
#include "rt/sys.h"

ssize_t sock_recv_urgent(struct sock_ref *r, int fd, struct msghdr *msg, int flags)
{
	struct sock *sk = r->sk;
	size_t i = 0, n = msg->msg_iovlen;
	int ret = sock_lock(r);

	if (ret < 0)
		return ret;
	ret = atomic_load(&sk->kind) == SK_LISTENER ? -ENOTCONN :
	      conn_recv_urgent(&sk->conn, flags & MSG_PEEK);
	sock_unlock(sk, fd);
	if (ret < 0)
		return ret;
	while (i < n && !msg->msg_iov[i].iov_len)
		i++;
	if (i < n && !(flags & MSG_TRUNC))
		*(u8 *)msg->msg_iov[i].iov_base = (u8)ret;
	msg->msg_flags = i < n ? MSG_OOB : MSG_OOB | MSG_TRUNC;
	msg->msg_namelen = 0;
	msg->msg_controllen = 0;
	return i < n;
}

void sock_watch_urgent(struct sock_ref *r)
{
	struct sock *sk = r->sk;

	if (atomic_load(&sk->urgent))
		return;
	atomic_store(&sk->urgent, 1);
	if (atomic_load(&sk->kind) == SK_CONN && atomic_load(&sk->ready) & READY_PRI &&
	    !sock_lock(r))
		sock_unlock(sk, -1);	/* the driver is asked to show it */
}

/* A newer mark is a signal more, and makes the byte before an ordinary one. */
bool mirror_urgent_due(const struct sock *sk, unsigned ready)
{
	const struct mirror *m = &sk->m;

	return unlikely(ready & READY_PRI) && atomic_load(&sk->urgent) && !m->fin &&
	       (!m->pri || m->urgent != sk->conn.urg.seq);
}

void mirror_show_urgent(struct sock *sk)
{
	if (sys_send(mirror_end(sk), "u", 1, MSG_OOB | MSG_NOSIGNAL | MSG_DONTWAIT) != 1)
		return;
	sk->m.tokens += sk->m.pri;
	sk->m.pri = true;
	sk->m.urgent = sk->conn.urg.seq;
}

void mirror_calm(struct sock *sk, int fd)
{
	char c;

	sys_call6(SYS_recvfrom, fd, (long)&c, 1, MSG_OOB | MSG_DONTWAIT, 0, 0);
	sk->m.pri = false;
	sk->m.hole = true;
}

void mirror_fill_hole(struct sock *sk, int fd)
{
	char buf[64];

	while (sys_recv(fd, buf, sizeof(buf), MSG_DONTWAIT) > 0)
		;
	sk->m.tokens = 0;
	sk->m.hole = false;
}
