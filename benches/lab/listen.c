/* listen.c - the open ports of the benchmark laboratory: one TCP listener for each line "ADDRESS PORT" of the files.
 *
 * usage: listen FILE...     (inside the target namespace; it refuses to start in the machine's own)
 * Prints "listening N failed M" once all stand, then accepts and closes until it is ended. */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "inside.h"

static int listener(const char *text, int port) {
	int v6 = strchr(text, ':') != NULL, one = 1;
	int s = socket(v6 ? AF_INET6 : AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
	if (s < 0) return -1;
	setsockopt(s, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
	/* Only a local route covers these addresses, no interface has them. */
	setsockopt(s, IPPROTO_IP, IP_FREEBIND, &one, sizeof one);
	struct sockaddr_in a = { .sin_family = AF_INET, .sin_port = htons(port) };
	struct sockaddr_in6 b = { .sin6_family = AF_INET6, .sin6_port = htons(port) };
	int failed;
	if (v6) {
		setsockopt(s, IPPROTO_IPV6, IPV6_V6ONLY, &one, sizeof one);
		setsockopt(s, IPPROTO_IPV6, 78 /* IPV6_FREEBIND */, &one, sizeof one);
		failed = inet_pton(AF_INET6, text, &b.sin6_addr) != 1 || bind(s, (void *)&b, sizeof b);
	} else {
		failed = inet_pton(AF_INET, text, &a.sin_addr) != 1 || bind(s, (void *)&a, sizeof a);
	}
	if (failed || listen(s, 1024)) {
		close(s);
		return -1;
	}
	return s;
}

int main(int argc, char **argv) {
	refuse_outside();
	struct rlimit limit;
	getrlimit(RLIMIT_NOFILE, &limit);
	limit.rlim_cur = limit.rlim_max;
	setrlimit(RLIMIT_NOFILE, &limit);
	int poll = epoll_create1(0);
	long standing = 0, failed = 0;
	for (int i = 1; i < argc; i++) {
		FILE *file = fopen(argv[i], "r");
		if (!file) {
			perror(argv[i]);
			return 1;
		}
		char text[64];
		int port;
		while (fscanf(file, "%63s %d", text, &port) == 2) {
			int s = listener(text, port);
			if (s < 0) {
				failed++;
				continue;
			}
			struct epoll_event event = { .events = EPOLLIN, .data.fd = s };
			epoll_ctl(poll, EPOLL_CTL_ADD, s, &event);
			standing++;
		}
		fclose(file);
	}
	printf("listening %ld failed %ld\n", standing, failed);
	fflush(stdout);
	for (;;) {
		struct epoll_event events[256];
		int n = epoll_wait(poll, events, 256, -1);
		for (int i = 0; i < n; i++) {
			int c;
			while ((c = accept4(events[i].data.fd, NULL, NULL, SOCK_NONBLOCK)) >= 0) close(c);
		}
	}
}
