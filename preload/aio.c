/*
 * aio.c - POSIX asynchronous I/O. libc does it in threads of its own, where no
 * wrapper sees it: the socket becomes a relay first.
 */
#include "preload/wrap.h"

static int ready(int fd)
{
	return (int)result(proc_hand_over(fd));
}

int aio_read(struct aiocb *cb)
{
	return ready(cb->aio_fildes) < 0 ? -1 : LIBC(aio_read)(cb);
}

int aio_read64(struct aiocb64 *cb)
{
	return ready(cb->aio_fildes) < 0 ? -1 : LIBC(aio_read64)(cb);
}

int aio_write(struct aiocb *cb)
{
	return ready(cb->aio_fildes) < 0 ? -1 : LIBC(aio_write)(cb);
}

int aio_write64(struct aiocb64 *cb)
{
	return ready(cb->aio_fildes) < 0 ? -1 : LIBC(aio_write64)(cb);
}

int lio_listio(int mode, struct aiocb *const list[], int n, struct sigevent *sig)
{
	for (int i = 0; i < n; i++)
		if (list[i] && ready(list[i]->aio_fildes) < 0)
			return -1;
	return LIBC(lio_listio)(mode, list, n, sig);
}

int lio_listio64(int mode, struct aiocb64 *const list[], int n, struct sigevent *sig)
{
	for (int i = 0; i < n; i++)
		if (list[i] && ready(list[i]->aio_fildes) < 0)
			return -1;
	return LIBC(lio_listio64)(mode, list, n, sig);
}
