/* musedeep as a child process: a socket for requests and answers, and what it writes to standard error. */
#ifndef MUSEDEEP_PROCESS_H
#define MUSEDEEP_PROCESS_H

#include <sys/types.h>

typedef struct {
    pid_t pid;
    int channel; /* its standard input and output, until it takes them for itself */
    int errors; /* its standard error */
} child_process;

/* The Python to start: that of MUSEDEEP_PYTHON, else the one given. */
const char *process_python(const char *python);

/* Start Python with the module that answers plugins. Returns 0, or the number of the error (errno).
 *
 * The child ends when the other end of its channel is closed: if the application is interrupted or killed, too. */
int process_start(child_process *child, const char *python, const char *path, const char *module);

/* Send all bytes; 0, or -1 if the child has gone. */
int process_send(const child_process *child, const char *bytes, size_t number);

/* Close the channel and wait for the end of the child: its exit status, or the negative number of a signal. */
int process_end(child_process *child);

#endif
