/*
 * recv_ctl.c - what recvmsg() says beside the bytes, if the program has asked:
 * how many more there are (TCP_INQ), and when the last of them came.
 */
#include <string.h>
#include "rt/rt.h"
#include "rt/sockopt.h"

enum { CTL_INQ = 1, CTL_STAMP = 2, CTL_STAMPING = 4 };
enum { RX_SOFTWARE = 1 << 4 };		/* SOF_TIMESTAMPING_SOFTWARE */

/* The connection's clock against the calendar's, now. */
static struct timespec calendar(usec_t at)
{
	struct timespec ts;
	s64 ns;

	clock_gettime(CLOCK_REALTIME, &ts);
	ns = (s64)ts.tv_sec * 1000000000 + ts.tv_nsec - (s64)(rt_now() - at) * 1000;
	return (struct timespec){ ns / 1000000000, ns % 1000000000 };
}

bool recv_ctl_wanted(const struct sock *sk)
{
	return opt_load(sk, SLOT_STAMP, 0) || opt_load(sk, SLOT_TIMESTAMPING, 0) ||
	       opt_flag(sk, FLAG_INQ);
}

void recv_ctl_take(const struct sock *sk, struct recv_ctl *ctl, bool read)
{
	const struct conn *c = &sk->conn;

	ctl->what = 0;
	if (opt_flag(sk, FLAG_INQ)) {
		ctl->what |= CTL_INQ;
		/* The end counts as one, also when it was read. */
		ctl->inq = (s32)min(c->rcv_nxt - c->copied_seq, (u64)INT32_MAX);
	}
	if (!read || !c->read_stamp)
		return;
	ctl->stamp = opt_load(sk, SLOT_STAMP, 0);
	if (ctl->stamp)
		ctl->what |= CTL_STAMP;
	if (opt_load(sk, SLOT_TIMESTAMPING, 0) & RX_SOFTWARE)
		ctl->what |= CTL_STAMPING;
	if (ctl->what & (CTL_STAMP | CTL_STAMPING))
		ctl->ts = calendar(c->read_stamp);
}

/* One more control message behind the others; what does not fit is cut off. */
static void put(struct msghdr *msg, size_t room, int level, int type, const void *data, size_t len)
{
	struct cmsghdr cm = { .cmsg_level = level, .cmsg_type = type, .cmsg_len = CMSG_LEN(len) };
	char *to = (char *)msg->msg_control + msg->msg_controllen;

	room -= msg->msg_controllen;
	if (!msg->msg_control || room < sizeof(cm)) {
		msg->msg_flags |= MSG_CTRUNC;
		return;
	}
	if (room < cm.cmsg_len) {
		msg->msg_flags |= MSG_CTRUNC;
		cm.cmsg_len = room;
	}
	memcpy(to, &cm, sizeof(cm));
	memcpy(to + CMSG_LEN(0), data, cm.cmsg_len - CMSG_LEN(0));
	msg->msg_controllen += min(room, CMSG_SPACE(len));
}

void recv_ctl_add(struct msghdr *msg, int level, int type, const void *data, size_t len)
{
	size_t room = msg->msg_controllen;

	msg->msg_controllen = 0;
	put(msg, room, level, type, data, len);
}

static void put_stamp(struct msghdr *msg, size_t room, const struct recv_ctl *ctl)
{
	struct timeval tv = { ctl->ts.tv_sec, ctl->ts.tv_nsec / 1000 };
	bool ns = ctl->stamp == STAMP_NS || ctl->stamp == STAMP_NS_NEW;
	int type = ctl->stamp == STAMP_US ? SO_TIMESTAMP_OLD :
		   ctl->stamp == STAMP_NS ? SO_TIMESTAMPNS_OLD :
		   ctl->stamp == STAMP_US_NEW ? SO_TIMESTAMP_NEW : SO_TIMESTAMPNS_NEW;

	put(msg, room, SOL_SOCKET, type, ns ? (const void *)&ctl->ts : &tv, sizeof(tv));
}

void recv_ctl_put(struct msghdr *msg, size_t room, const struct recv_ctl *ctl)
{
	struct timespec three[3] = { ctl->ts };

	if (ctl->what & CTL_STAMP)
		put_stamp(msg, room, ctl);
	if (ctl->what & CTL_STAMPING)
		put(msg, room, SOL_SOCKET, SO_TIMESTAMPING_OLD, three, sizeof(three));
	if (ctl->what & CTL_INQ)
		put(msg, room, IPPROTO_TCP, TCP_CM_INQ, &ctl->inq, sizeof(ctl->inq));
}
