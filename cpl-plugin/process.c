#define _POSIX_C_SOURCE 200809L

#include "process.h"

#include <errno.h>
#include <fcntl.h>
#include <spawn.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cpl.h>

extern char **environ;

/* The environment of the child: that of the application, but for Python's own variables. These are meant for other
 * programs of the user, for example for EsoReflex or an application in another version of Python. Who chooses the
 * interpreter chooses its path, too. */
static char **environment_with(const char *path, int chosen)
{
    static const char *const python[] = { "PYTHONPATH=", "PYTHONHOME=" };
    size_t number = 0, kept = 0;

    while (environ && environ[number])
        number++;
    char **made = cpl_calloc(number + 3, sizeof *made);
    for (size_t i = 0; i < number; i++) {
        int other = 1;
        for (size_t j = 0; j < sizeof python / sizeof *python; j++)
            other = other && strncmp(environ[i], python[j], strlen(python[j])) != 0;
        if (other || chosen)
            made[kept++] = cpl_strdup(environ[i]);
    }
    if (path && !chosen)
        made[kept++] = cpl_sprintf("PYTHONPATH=%s", path);
    /* files in the working directory are no modules */
    made[kept++] = cpl_strdup("PYTHONSAFEPATH=1");
    return made;
}

static void environment_free(char **made)
{
    for (char **one = made; *one; one++)
        cpl_free(*one);
    cpl_free(made);
}

static void close_both(const int pair[2])
{
    close(pair[0]);
    close(pair[1]);
}

static const char *chosen_python(void)
{
    const char *chosen = getenv("MUSEDEEP_PYTHON");

    return chosen && *chosen ? chosen : NULL;
}

const char *process_python(const char *python)
{
    return chosen_python() ? chosen_python() : python;
}

int process_start(child_process *child, const char *python, const char *path, const char *module)
{
    int channel[2], errors[2];

    if (socketpair(AF_UNIX, SOCK_STREAM, 0, channel))
        return errno;
    if (pipe(errors)) {
        int error = errno;
        close_both(channel);
        return error;
    }
    const int mine[] = { channel[0], channel[1], errors[0], errors[1] };
    for (int i = 0; i < 4; i++)
        fcntl(mine[i], F_SETFD, FD_CLOEXEC);

    posix_spawn_file_actions_t actions;
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_adddup2(&actions, channel[1], STDIN_FILENO);
    posix_spawn_file_actions_adddup2(&actions, channel[1], STDOUT_FILENO);
    posix_spawn_file_actions_adddup2(&actions, errors[1], STDERR_FILENO);

    char *arguments[] = { cpl_strdup(process_python(python)), cpl_strdup("-m"), cpl_strdup(module), NULL };
    char **made = environment_with(path, chosen_python() != NULL);
    int error = posix_spawnp(&child->pid, arguments[0], &actions, NULL, arguments, made);
    environment_free(made);
    for (char **one = arguments; *one; one++)
        cpl_free(*one);
    posix_spawn_file_actions_destroy(&actions);
    close(channel[1]);
    close(errors[1]);
    if (error) {
        close(channel[0]);
        close(errors[0]);
        return error;
    }
    child->channel = channel[0];
    child->errors = errors[0];
    return 0;
}

int process_send(const child_process *child, const char *bytes, size_t number)
{
    while (number) {
        ssize_t sent = send(child->channel, bytes, number, MSG_NOSIGNAL);
        if (sent < 0 && errno != EINTR)
            return -1;
        if (sent > 0) {
            bytes += sent;
            number -= (size_t)sent;
        }
    }
    return 0;
}

int process_end(child_process *child)
{
    int status = 0;

    close(child->channel);
    close(child->errors);
    while (waitpid(child->pid, &status, 0) < 0)
        if (errno != EINTR) /* the application does not wait for children: nothing is known */
            return 0;
    return WIFSIGNALED(status) ? -WTERMSIG(status) : WEXITSTATUS(status);
}
