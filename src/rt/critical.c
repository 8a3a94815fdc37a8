/* critical.c - see critical.h */
#include "rt/critical.h"

TLS_IE struct critical critical;
void (*critical_deliver)(void);
