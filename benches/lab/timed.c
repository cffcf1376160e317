/* timed.c - runs one command inside a network namespace and says what it cost.
 *
 * usage: timed NETNS SECONDS OUTPUT COMMAND [ARGUMENT..]
 * Standard output goes to OUTPUT, errors to OUTPUT.err. After SECONDS the command's process group is killed. Prints
 * "WALL_S USER_S SYSTEM_S RSS_KB STATUS KILLED". This program is small, so the memory that a child has before it
 * becomes the command does not hide the command's own. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "inside.h"

static volatile pid_t child;
static volatile sig_atomic_t killed;

static void on_alarm(int signal_number) {
	(void)signal_number;
	killed = 1;
	if (child > 0) kill(-child, SIGKILL);
}

static void on_end(int signal_number) {
	if (child > 0) kill(-child, SIGKILL);
	_exit(128 + signal_number);
}

static double now(void) {
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec + t.tv_nsec * 1e-9;
}

static int file_for(const char *path) {
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	if (fd < 0) {
		perror(path);
		exit(2);
	}
	return fd;
}

int main(int argc, char **argv) {
	if (argc < 5) {
		fprintf(stderr, "usage: timed NETNS SECONDS OUTPUT COMMAND [ARGUMENT..]\n");
		return 2;
	}
	char path[4096];
	snprintf(path, sizeof path, "/run/netns/%s", argv[1]);
	int namespace = open(path, O_RDONLY | O_CLOEXEC);
	if (namespace < 0 || setns(namespace, CLONE_NEWNET)) {
		perror(path);
		return 2;
	}
	refuse_outside();
	int out = file_for(argv[3]);
	snprintf(path, sizeof path, "%s.err", argv[3]);
	int err = file_for(path), in = open("/dev/null", O_RDONLY | O_CLOEXEC);
	signal(SIGALRM, on_alarm);
	signal(SIGTERM, on_end);
	signal(SIGINT, on_end);
	double start = now();
	pid_t pid = fork();
	if (pid == 0) {
		setpgid(0, 0);
		dup2(in, 0);
		dup2(out, 1);
		dup2(err, 2);
		execvp(argv[4], argv + 4);
		_exit(127);
	}
	if (pid < 0) {
		perror("fork");
		return 2;
	}
	setpgid(pid, pid);
	child = pid;
	alarm(atoi(argv[2]));
	int status;
	struct rusage use;
	while (wait4(pid, &status, 0, &use) < 0 && errno == EINTR) {}
	double wall = now() - start;
	kill(-pid, SIGKILL); /* whatever it left behind */
	printf("%.6f %.3f %.3f %ld %d %d\n", wall, use.ru_utime.tv_sec + use.ru_utime.tv_usec * 1e-6,
		use.ru_stime.tv_sec + use.ru_stime.tv_usec * 1e-6, use.ru_maxrss,
		WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status), (int)killed);
	return 0;
}
