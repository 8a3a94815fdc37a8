/*
 * attach.c - descriptors of ours that this program did not make: it was
 * executed with them, or they came in a message.
 */
#include <string.h>
#include "preload/wrap.h"
#include "rt/sys.h"

enum { GAP = 32 };		/* so many closed numbers in a row: no more come */

static void attach(int fd)
{
	struct sock_ref r;
	int ret;

	rt_bypass++;
	ret = rt_join(fd, &r);
	rt_bypass--;
	if (ret == 0)
		fd_set_sock(fd, &r);
}

void attach_inherited(void)
{
	int gap = 0;

	for (int fd = 0; gap < GAP; fd++) {
		int type;
		socklen_t len = sizeof(type);
		int ret = sys_getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &len);

		gap = ret == -EBADF ? gap + 1 : 0;
		if (!ret && type == SOCK_STREAM)
			attach(fd);
	}
}

static void each_right(struct msghdr *msg, void (*with)(int fd))
{
	for (struct cmsghdr *cm = CMSG_FIRSTHDR(msg); cm; cm = CMSG_NXTHDR(msg, cm)) {
		size_t n = (cm->cmsg_len - CMSG_LEN(0)) / sizeof(int);

		if (cm->cmsg_len < CMSG_LEN(0))
			return;
		if (cm->cmsg_level != SOL_SOCKET || cm->cmsg_type != SCM_RIGHTS)
			continue;
		for (size_t i = 0; i < n; i++) {
			int fd;

			memcpy(&fd, CMSG_DATA(cm) + i * sizeof(int), sizeof(fd));
			with(fd);
		}
	}
}

static void received(int fd)
{
	fd_forget(fd);
	attach(fd);
}

void attach_received(struct msghdr *msg)
{
	each_right(msg, received);
}

static void sent(int fd)
{
	FD_USE(u);

	if (fd_get(fd, &u))
		sock_passed(&u.ref, fd, true);
}

static void not_sent(int fd)
{
	FD_USE(u);

	if (fd_get(fd, &u))
		sock_passed(&u.ref, fd, false);
}

void attach_sent(const struct msghdr *msg, bool done)
{
	struct msghdr m;

	if (!fd_active() || rt_bypass || bad_pointer(msg) || !msg->msg_control ||
	    bad_pointer(msg->msg_control))
		return;
	m = *msg;
	each_right(&m, done ? sent : not_sent);
}
