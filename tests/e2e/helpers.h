/* helpers.h - what the programs that scripts run have in common. */
#ifndef RUDP_E2E_HELPERS_H
#define RUDP_E2E_HELPERS_H

#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>

static inline void die(const char *what)
{
	perror(what);
	exit(1);
}

/* On the loopback device. */
static inline struct sockaddr_in address(const char *port)
{
	return (struct sockaddr_in){
		.sin_family = AF_INET, .sin_port = htons((unsigned short)atoi(port)),
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK),
	};
}

#endif
