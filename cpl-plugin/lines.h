/* Lines of text of several fields, between the plugin and musedeep.
 *
 * Fields are separated by tabs. In a field, backslash, tab and line feed are written as \\, \t and \n. */
#ifndef MUSEDEEP_LINES_H
#define MUSEDEEP_LINES_H

#include <stddef.h>

/* A text that grows. */
typedef struct {
    char *text;
    size_t length, room;
} line_buffer;

/* Add bytes. */
void line_add(line_buffer *buffer, const char *bytes, size_t number);

/* Add a field, and the character that follows it. */
void line_add_field(line_buffer *buffer, const char *field, char next);

/* Take the first whole line out of the buffer: a new string without its line feed, NULL if there is none.
 * The last line need not be ended if `all` is true. */
char *line_take(line_buffer *buffer, int all);

/* Split a line into fields, in its place; those that are missing are empty. */
void line_split(char *line, char **fields, int number);

void line_free(line_buffer *buffer);

#endif
