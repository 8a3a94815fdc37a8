/*
 * hold.c - a protocol of one's own over UDP whose buffers are governed.
 *
 * It receives datagrams on a port of the loopback interface and holds them
 * until one comes that says "release"; then it sends all of them back, oldest
 * first. What it holds is charged to a domain, so that many such programs
 * together stay within one limit: when the domain refuses, the datagram is
 * dropped, as a full queue would drop it.
 *
 *     $ hold &
 *     port 41000
 *     $ rudpstat -am
 */
#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/queue.h>
#include <sys/socket.h>
#include <unistd.h>
#include <rudp/mem.h>

struct held {			/* lies in its own buffer, the payload behind it */
	STAILQ_ENTRY(held) next;
	size_t len;
	char data[];
};

STAILQ_HEAD(queue, held);

static int open_port(void)
{
	struct sockaddr_in sin = { .sin_family = AF_INET };
	socklen_t len = sizeof(sin);
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	sin.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	if (fd < 0 || bind(fd, (struct sockaddr *)&sin, len) < 0 ||
	    getsockname(fd, (struct sockaddr *)&sin, &len) < 0)
		return -1;
	printf("port %u\n", ntohs(sin.sin_port));
	fflush(stdout);
	return fd;
}

static void hold(struct queue *q, struct rudp_account *a, const char *data, size_t len)
{
	size_t size = sizeof(struct held) + len;
	struct held *h = NULL;

	if (rudp_may_receive(a))
		h = rudp_buf_get(a, size, RUDP_RCV);
	if (!h && STAILQ_EMPTY(q))	/* one is always taken: things go on */
		h = rudp_buf_force(a, size, RUDP_RCV);
	if (!h)
		return;			/* full: dropped */
	h->len = len;
	memcpy(h->data, data, len);
	STAILQ_INSERT_TAIL(q, h, next);
}

static void release(struct queue *q, struct rudp_account *a, int fd,
		    const struct sockaddr_in *to)
{
	struct held *h;

	while ((h = STAILQ_FIRST(q))) {
		STAILQ_REMOVE_HEAD(q, next);
		sendto(fd, h->data, h->len, 0, (const struct sockaddr *)to, sizeof(*to));
		rudp_buf_put(a, h, sizeof(*h) + h->len, RUDP_RCV);
	}
}

int main(void)
{
	struct queue q = STAILQ_HEAD_INITIALIZER(q);
	struct rudp_account *a;
	struct rudp_domain *d;
	static char buf[65000];
	struct sockaddr_in from;
	int fd, err = rudp_domain_open(&d, NULL);

	if (err) {
		fprintf(stderr, "hold: the domain: %s\n", strerror(-err));
		return 1;
	}
	a = rudp_account_new(d);
	fd = open_port();
	if (!a || fd < 0) {
		perror("hold");
		return 1;
	}
	for (;;) {
		socklen_t len = sizeof(from);
		ssize_t n = recvfrom(fd, buf, sizeof(buf), 0, (struct sockaddr *)&from, &len);

		if (n < 0 && errno != EINTR)
			break;
		if (n == 4 && !memcmp(buf, "quit", 4))
			break;
		if (n == 7 && !memcmp(buf, "release", 7))
			release(&q, a, fd, &from);
		else if (n >= 0)
			hold(&q, a, buf, (size_t)n);
		rudp_domain_tick(d);
	}
	release(&q, a, fd, &from);
	rudp_account_free(a);
	rudp_domain_close(d);
	close(fd);
	return 0;
}
