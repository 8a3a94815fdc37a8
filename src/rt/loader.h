/*
 * loader.h - the file of the dynamic loader that runs this process, by which
 * the library is run as a program. <link.h> and <ev.h> do not go together.
 */
#ifndef RUDP_RT_LOADER_H
#define RUDP_RT_LOADER_H

/* NULL: not known. The string is the loader's. */
const char *loader_path(void);

#endif
