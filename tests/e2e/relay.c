/*
 * relay - a UDP forwarder that treats datagrams as a bad network would, by the
 * simulator's link model in real time.
 *
 *	relay -t HOST:PORT [-o LINK] [-i LINK]
 *
 * Listens on a port of its own choice on 127.0.0.1 and prints it. Each client
 * address gets a socket towards HOST:PORT. Datagrams to the target go through
 * link -o (out), those back through link -i; LINK is as link_parse() takes it:
 * "loss=2%,reorder=5%,reorder_by=5ms,dup=1%,seed=7". At SIGTERM it prints what
 * it did to them.
 *
 *	relay -d DEVICE -p PORT [-o LINK] [-i LINK]
 *
 * Makes a TUN device instead, says "ready", and gives back what is sent through
 * it with its addresses exchanged: who connects to any address behind the device
 * meets himself, by TCP as by UDP, over the link. Out is what goes to PORT.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <linux/if_tun.h>
#include <net/if.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "../sim/link.h"

enum { FLOWS_MAX = 256, DGRAM_MAX = 65536, BATCH = 64, QUEUE_MAX = 65536,
       SOCKBUF = 8 << 20 };

struct flow {
	struct sockaddr_in client;
	int fd;			/* connected to the target */
};

struct parcel {			/* in the queue, ordered by arrival */
	usec_t at;
	u64 n;			/* breaks ties: first come, first out */
	struct flow *flow;
	bool out;
	size_t len;
	u8 data[];
};

static struct flow flows[FLOWS_MAX];
static unsigned nflows;
static struct link links[2];	/* by `out` */
static u64 seen[2], forwarded[2], refused[2];
static struct parcel *queue[QUEUE_MAX];	/* a binary heap */
static unsigned queued;
static u64 parcels;
static struct sockaddr_in target;
static int front, ep;
static int device = -1;
static unsigned out_port;
static volatile sig_atomic_t stopped;

static void die(const char *what)
{
	perror(what);
	exit(1);
}

static usec_t now_us(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (usec_t)ts.tv_sec * 1000000 + ts.tv_nsec / 1000;
}

/* --- the queue ----------------------------------------------------------------- */

static bool sooner(const struct parcel *a, const struct parcel *b)
{
	return a->at != b->at ? a->at < b->at : a->n < b->n;
}

static void queue_put(struct parcel *p)
{
	unsigned i = queued++;

	for (; i > 0 && sooner(p, queue[(i - 1) / 2]); i = (i - 1) / 2)
		queue[i] = queue[(i - 1) / 2];
	queue[i] = p;
}

static struct parcel *queue_take(void)
{
	struct parcel *first = queue[0], *last = queue[--queued];
	unsigned i = 0, child;

	while ((child = 2 * i + 1) < queued) {
		if (child + 1 < queued && sooner(queue[child + 1], queue[child]))
			child++;
		if (!sooner(queue[child], last))
			break;
		queue[i] = queue[child];
		i = child;
	}
	queue[i] = last;
	return first;
}

/* --- datagrams --------------------------------------------------------------------- */

static void set_buffers(int fd)
{
	int size = SOCKBUF;

	if (setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &size, sizeof(size)) < 0)
		setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &size, sizeof(size));
}

static struct flow *flow_of(const struct sockaddr_in *client)
{
	struct epoll_event ev = { .events = EPOLLIN };
	struct flow *f;

	for (unsigned i = 0; i < nflows; i++)
		if (flows[i].client.sin_port == client->sin_port &&
		    flows[i].client.sin_addr.s_addr == client->sin_addr.s_addr)
			return &flows[i];
	if (nflows == FLOWS_MAX)
		return NULL;
	f = &flows[nflows++];
	f->client = *client;
	f->fd = socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK, 0);
	if (f->fd < 0 || connect(f->fd, (struct sockaddr *)&target, sizeof(target)) < 0)
		die("relay: towards the target");
	set_buffers(f->fd);
	ev.data.ptr = f;
	if (epoll_ctl(ep, EPOLL_CTL_ADD, f->fd, &ev) < 0)
		die("relay: epoll_ctl");
	return f;
}

static void take(struct flow *f, bool out, const u8 *data, size_t len)
{
	struct link_fate fate;

	seen[out]++;
	link_send(&links[out], len, now_us(), &fate);
	for (unsigned i = 0; i < fate.copies && queued < QUEUE_MAX; i++) {
		struct parcel *p = malloc(sizeof(*p) + len);

		if (!p)
			die("relay: malloc");
		*p = (struct parcel){ .at = fate.at[i], .n = parcels++, .flow = f,
				      .out = out, .len = len };
		memcpy(p->data, data, len);
		if (fate.flip[i])
			link_corrupt(p->data, len, fate.flip[i]);
		queue_put(p);
	}
}

/* A full or refused socket is one more way to lose a datagram. */
static void deliver(struct parcel *p)
{
	ssize_t n;

	if (device >= 0)
		n = write(device, p->data, p->len);
	else if (p->out)
		n = send(p->flow->fd, p->data, p->len, 0);
	else
		n = sendto(front, p->data, p->len, 0, (struct sockaddr *)&p->flow->client,
			   sizeof(p->flow->client));
	if (n >= 0)
		forwarded[p->out]++;
	else
		refused[p->out]++;
	free(p);
}

static void deliver_due(void)
{
	while (queued > 0 && queue[0]->at <= now_us())
		deliver(queue_take());
}

static void from_clients(void)
{
	static u8 buf[DGRAM_MAX];

	for (int i = 0; i < BATCH; i++) {
		struct sockaddr_in from;
		socklen_t fromlen = sizeof(from);
		ssize_t n = recvfrom(front, buf, sizeof(buf), 0, (struct sockaddr *)&from,
				     &fromlen);
		struct flow *f;

		if (n < 0)
			return;
		f = flow_of(&from);
		if (f)
			take(f, true, buf, n);
	}
}

/* Checksums are the same with source and destination exchanged. */
static void from_device(void)
{
	static u8 buf[DGRAM_MAX];

	for (int i = 0; i < BATCH; i++) {
		ssize_t n = read(device, buf, sizeof(buf));
		unsigned head = (buf[0] & 15) * 4;
		u8 source[4];

		if (n < 0)
			return;
		if (buf[0] >> 4 != 4 || n < head + 4)
			continue;
		memcpy(source, buf + 12, 4);
		memcpy(buf + 12, buf + 16, 4);
		memcpy(buf + 16, source, 4);
		take(NULL, (buf[head + 2] << 8 | buf[head + 3]) == (int)out_port, buf, n);
	}
}

static void from_target(struct flow *f)
{
	static u8 buf[DGRAM_MAX];

	for (int i = 0; i < BATCH; i++) {
		ssize_t n = recv(f->fd, buf, sizeof(buf), 0);

		if (n < 0)
			return;
		take(f, false, buf, n);
	}
}

/* --- the loop ---------------------------------------------------------------------- */

static void stop(int sig)
{
	stopped = sig;
}

static void wait_and_serve(void)
{
	struct epoll_event ev[BATCH];
	struct timespec ts, *limit = NULL;
	int n;

	if (queued > 0) {
		usec_t now = now_us(), left = queue[0]->at > now ? queue[0]->at - now : 0;

		ts = (struct timespec){ .tv_sec = left / 1000000,
					.tv_nsec = left % 1000000 * 1000 };
		limit = &ts;
	}
	n = epoll_pwait2(ep, ev, BATCH, limit, NULL);
	for (int i = 0; i < n; i++) {
		if (ev[i].data.ptr)
			from_target(ev[i].data.ptr);
		else if (device >= 0)
			from_device();
		else
			from_clients();
	}
	deliver_due();
}

static void report(const char *what, bool out)
{
	const struct link *l = &links[out];

	fprintf(stderr, "relay: %s: %llu seen, %llu lost, %llu duplicated, %llu reordered, "
		"%llu corrupted, %llu overflowed, %llu forwarded, %llu refused\n", what,
		(unsigned long long)seen[out], (unsigned long long)l->lost,
		(unsigned long long)l->duplicated, (unsigned long long)l->reordered,
		(unsigned long long)l->corrupted, (unsigned long long)l->overflowed,
		(unsigned long long)forwarded[out], (unsigned long long)refused[out]);
}

static void parse_target(char *s)
{
	char *colon = strrchr(s, ':');

	target.sin_family = AF_INET;
	if (colon) {
		*colon = 0;
		target.sin_port = htons(atoi(colon + 1));
	}
	if (!colon || inet_pton(AF_INET, s, &target.sin_addr) != 1) {
		fprintf(stderr, "relay: bad target\n");
		exit(2);
	}
}

static void open_front(void)
{
	struct sockaddr_in sin = { .sin_family = AF_INET };
	struct epoll_event ev = { .events = EPOLLIN };
	socklen_t len = sizeof(sin);

	sin.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	ep = epoll_create1(EPOLL_CLOEXEC);
	front = socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK, 0);
	if (ep < 0 || front < 0 || bind(front, (struct sockaddr *)&sin, len) < 0 ||
	    getsockname(front, (struct sockaddr *)&sin, &len) < 0 ||
	    epoll_ctl(ep, EPOLL_CTL_ADD, front, &ev) < 0)
		die("relay");
	set_buffers(front);
	printf("%u\n", ntohs(sin.sin_port));
	fflush(stdout);
}

static void open_device(const char *name)
{
	struct epoll_event ev = { .events = EPOLLIN };
	struct ifreq ifr = { .ifr_flags = IFF_TUN | IFF_NO_PI };

	snprintf(ifr.ifr_name, sizeof(ifr.ifr_name), "%s", name);
	ep = epoll_create1(EPOLL_CLOEXEC);
	device = open("/dev/net/tun", O_RDWR | O_NONBLOCK | O_CLOEXEC);
	if (ep < 0 || device < 0 || ioctl(device, TUNSETIFF, &ifr) < 0 ||
	    epoll_ctl(ep, EPOLL_CTL_ADD, device, &ev) < 0)
		die("relay: the device");
	puts("ready");
	fflush(stdout);
}

int main(int argc, char **argv)
{
	const char *name = NULL;
	struct link_params params[2] = { { .seed = 1 }, { .seed = 1 } };
	int opt;

	while ((opt = getopt(argc, argv, "t:o:i:d:p:")) != -1) {
		bool ok = opt != '?';

		if (opt == 't')
			parse_target(optarg);
		else if (opt == 'd')
			name = optarg;
		else if (opt == 'p')
			out_port = (unsigned)atoi(optarg);
		else if (ok)
			ok = link_parse(&params[opt == 'o'], optarg);
		if (!ok) {
			fprintf(stderr, "usage: relay -t HOST:PORT | -d DEVICE -p PORT "
				"[-o LINK] [-i LINK]\n");
			return 2;
		}
	}
	for (int out = 0; out < 2; out++)
		link_init(&links[out], &params[out], out);
	signal(SIGTERM, stop);
	signal(SIGINT, stop);
	if (name)
		open_device(name);
	else
		open_front();
	while (!stopped)
		wait_and_serve();
	report("out", true);
	report("in", false);
	return 0;
}
