/* A recipe runs: musedeep is started, gets the request, and answers while it works.
 *
 * Request, one line each, fields separated by tabs (lines.h):
 *     plugin  VERSION                   the version of musedeep that the plugin was made from
 *     recipe  NAME
 *     parameter  NAME  VALUE            those that differ from their defaults
 *     frame  TAG  PATH
 *     run
 * Answers:
 *     debug | info | warning | error  FUNCTION  TEXT
 *     product  PATH  TAG  image|table  final|intermediate
 *     end  STATUS  TEXT                 done, or why it failed: a name of `statuses`
 */
#define _POSIX_C_SOURCE 200809L

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

#include "lines.h"
#include "process.h"
#include "recipe.h"

static const char module[] = "musedeep.esorex.plugin";

static const struct {
    const char *name;
    cpl_error_code code;
} statuses[] = {
    { "done", CPL_ERROR_NONE },
    { "file-io", CPL_ERROR_FILE_IO },
    { "data-not-found", CPL_ERROR_DATA_NOT_FOUND },
    { "illegal-input", CPL_ERROR_ILLEGAL_INPUT },
    { "illegal-output", CPL_ERROR_ILLEGAL_OUTPUT },
    { "unsupported", CPL_ERROR_UNSUPPORTED_MODE },
    { "unspecified", CPL_ERROR_UNSPECIFIED },
};

/* The last that the child has said. */
typedef struct {
    int ended; /* whether it has told how it ended */
    cpl_error_code code;
    char *text; /* why it failed, or the last line on its standard error */
} child_answer;

static void keep_text(child_answer *answer, const char *text)
{
    cpl_free(answer->text);
    answer->text = cpl_strdup(text);
}

static char *value_of(const cpl_parameter *parameter)
{
    switch (cpl_parameter_get_type(parameter)) {
    case CPL_TYPE_BOOL:
        return cpl_strdup(cpl_parameter_get_bool(parameter) ? "true" : "false");
    case CPL_TYPE_INT:
        return cpl_sprintf("%d", cpl_parameter_get_int(parameter));
    case CPL_TYPE_DOUBLE:
        return cpl_sprintf("%.17g", cpl_parameter_get_double(parameter));
    default: {
        const char *text = cpl_parameter_get_string(parameter);
        return cpl_strdup(text ? text : "");
    }
    }
}

static int is_default(const cpl_parameter *parameter, const declared_parameter *declared)
{
    switch (declared->type) {
    case CPL_TYPE_BOOL:
        return !cpl_parameter_get_bool(parameter) == !declared->integer;
    case CPL_TYPE_INT:
        return cpl_parameter_get_int(parameter) == declared->integer;
    case CPL_TYPE_DOUBLE: {
        double value = cpl_parameter_get_double(parameter);
        return value >= declared->number && value <= declared->number;
    }
    default: {
        const char *text = cpl_parameter_get_string(parameter);
        return text && strcmp(text, declared->text) == 0;
    }
    }
}

static void add_request(line_buffer *request, const declared_recipe *declared, const cpl_recipe *recipe)
{
    line_add_field(request, "plugin", '\t');
    line_add_field(request, musedeep_version, '\n');
    line_add_field(request, "recipe", '\t');
    line_add_field(request, declared->name, '\n');
    for (const declared_parameter *one = declared->parameters; one->name; one++) {
        const cpl_parameter *parameter = cpl_parameterlist_find_const(recipe->parameters, one->name);
        if (!parameter || is_default(parameter, one))
            continue;
        char *value = value_of(parameter);
        line_add_field(request, "parameter", '\t');
        line_add_field(request, one->alias, '\t');
        line_add_field(request, value, '\n');
        cpl_free(value);
    }
    for (cpl_size i = 0; i < cpl_frameset_get_size(recipe->frames); i++) {
        const cpl_frame *frame = cpl_frameset_get_position_const(recipe->frames, i);
        line_add_field(request, "frame", '\t');
        line_add_field(request, cpl_frame_get_tag(frame), '\t');
        line_add_field(request, cpl_frame_get_filename(frame), '\n');
    }
    line_add_field(request, "run", '\n');
}

/* Tell the application which frames are raw and which are calibrations. */
static void set_groups(const declared_recipe *declared, cpl_frameset *frames)
{
    for (cpl_size i = 0; i < cpl_frameset_get_size(frames); i++) {
        cpl_frame *frame = cpl_frameset_get_position(frames, i);
        for (const declared_frame *one = declared->frames; one->tag; one++)
            if (strcmp(one->tag, cpl_frame_get_tag(frame)) == 0)
                cpl_frame_set_group(frame, one->group);
    }
}

static void add_product(cpl_frameset *frames, char **fields)
{
    cpl_frame *frame = cpl_frame_new();

    cpl_frame_set_filename(frame, fields[1]);
    cpl_frame_set_tag(frame, fields[2]);
    cpl_frame_set_type(frame, strcmp(fields[3], "table") == 0 ? CPL_FRAME_TYPE_TABLE : CPL_FRAME_TYPE_IMAGE);
    cpl_frame_set_level(frame, strcmp(fields[4], "final") == 0 ? CPL_FRAME_LEVEL_FINAL : CPL_FRAME_LEVEL_INTERMEDIATE);
    cpl_frame_set_group(frame, CPL_FRAME_GROUP_PRODUCT);
    cpl_frameset_insert(frames, frame);
}

static void handle_answer(char *line, cpl_frameset *frames, child_answer *answer)
{
    char *fields[5];

    line_split(line, fields, 5);
    if (strcmp(fields[0], "debug") == 0) {
        cpl_msg_debug(fields[1], "%s", fields[2]);
    } else if (strcmp(fields[0], "info") == 0) {
        cpl_msg_info(fields[1], "%s", fields[2]);
    } else if (strcmp(fields[0], "warning") == 0) {
        cpl_msg_warning(fields[1], "%s", fields[2]);
    } else if (strcmp(fields[0], "error") == 0) {
        cpl_msg_error(fields[1], "%s", fields[2]);
    } else if (strcmp(fields[0], "product") == 0) {
        add_product(frames, fields);
    } else if (strcmp(fields[0], "end") == 0) {
        answer->ended = 1;
        answer->code = CPL_ERROR_UNSPECIFIED;
        for (size_t i = 0; i < sizeof statuses / sizeof *statuses; i++)
            if (strcmp(fields[1], statuses[i].name) == 0)
                answer->code = statuses[i].code;
        keep_text(answer, fields[2]);
    } else {
        cpl_msg_debug(MUSEDEEP, "%s", fields[0]);
    }
}

/* Standard error of the child: nothing, unless Python itself or one of its libraries has something to say. */
static void handle_stray(const char *line, child_answer *answer)
{
    cpl_msg_debug(MUSEDEEP, "%s", line);
    if (!answer->ended && line[strspn(line, " \t")])
        keep_text(answer, line);
}

/* Read what is there; 0 at the end. */
static int read_some(int descriptor, line_buffer *buffer)
{
    char bytes[4096];
    ssize_t number = read(descriptor, bytes, sizeof bytes);

    if (number > 0)
        line_add(buffer, bytes, (size_t)number);
    return number > 0 || (number < 0 && errno == EINTR);
}

/* Take answers until the child closes its channel, which it does when it ends. */
static void listen_to(const child_process *child, cpl_frameset *frames, child_answer *answer)
{
    line_buffer answers = { 0 }, strays = { 0 };
    struct pollfd sources[] = { { child->channel, POLLIN, 0 }, { child->errors, POLLIN, 0 } };
    int open = 1, more = 1;
    char *line;

    while (open || more) {
        int ready = poll(sources, 2, open ? -1 : 0);
        if (ready < 0 && errno == EINTR)
            continue;
        if (ready < 0)
            break;
        /* first the strays: they precede the end of the channel */
        more = sources[1].revents && read_some(child->errors, &strays);
        if (sources[1].revents && !more)
            sources[1].fd = -1;
        if (open && sources[0].revents && !read_some(child->channel, &answers)) {
            open = 0;
            more = 1;
            sources[0].fd = -1;
        }
        for (; (line = line_take(&strays, !open)); cpl_free(line))
            handle_stray(line, answer);
        for (; (line = line_take(&answers, !open)); cpl_free(line))
            handle_answer(line, frames, answer);
    }
    line_free(&answers);
    line_free(&strays);
}

/* Say why the recipe has failed, in the log and as the error of CPL. */
static cpl_error_code failed(const char *recipe, cpl_error_code code, char *reason)
{
    cpl_msg_error(recipe, "%s", reason);
    cpl_error_set_message(recipe, code, "%s", reason);
    cpl_free(reason);
    return code;
}

static cpl_error_code failed_to_start(const char *recipe, const char *reason)
{
    const char *python = process_python(musedeep_python);

    return failed(recipe, CPL_ERROR_FILE_NOT_FOUND,
                  cpl_sprintf("musedeep cannot be started by %s (%s); %s the Python that has musedeep%s", python, reason,
                              python == musedeep_python ? "build the plugin again with" : "name in MUSEDEEP_PYTHON",
                              python == musedeep_python ? ", or name it in MUSEDEEP_PYTHON" : ""));
}

static cpl_error_code verdict(const char *recipe, const child_answer *answer, int status)
{
    const char *text = answer->text ? answer->text : "it says nothing";

    if (answer->ended && answer->code == CPL_ERROR_NONE)
        return CPL_ERROR_NONE;
    if (answer->ended)
        return failed(recipe, answer->code, cpl_strdup(text));
    if (status < 0)
        return failed(recipe, CPL_ERROR_UNSPECIFIED,
                      cpl_sprintf("musedeep was ended by signal %d (%s)%s", -status, strsignal(-status),
                                  -status == SIGKILL ? ", perhaps for want of memory; give fewer processors" : ""));
    if (strstr(text, "No module named"))
        return failed_to_start(recipe, text);
    return failed(recipe, CPL_ERROR_UNSPECIFIED, cpl_sprintf("musedeep ended with status %d: %s", status, text));
}

cpl_error_code musedeep_run(const declared_recipe *declared, cpl_recipe *recipe)
{
    child_process child;
    child_answer answer = { 0 };
    line_buffer request = { 0 };

    set_groups(declared, recipe->frames);
    add_request(&request, declared, recipe);
    int error = process_start(&child, musedeep_python, musedeep_python_path, module);
    if (error) {
        line_free(&request);
        return failed_to_start(declared->name, strerror(error));
    }
    /* if the child ends early, its answers say why */
    process_send(&child, request.text, request.length);
    line_free(&request);
    listen_to(&child, recipe->frames, &answer);
    int status = process_end(&child);
    cpl_error_code code = verdict(declared->name, &answer, status);
    cpl_free(answer.text);
    return code;
}
