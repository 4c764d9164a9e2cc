#include "lines.h"

#include <string.h>

#include <cpl.h>

static const char special[] = "\\\t\n", letters[] = "\\tn";

void line_add(line_buffer *buffer, const char *bytes, size_t number)
{
    if (buffer->length + number > buffer->room) {
        buffer->room = 2 * (buffer->length + number);
        buffer->text = cpl_realloc(buffer->text, buffer->room);
    }
    memcpy(buffer->text + buffer->length, bytes, number);
    buffer->length += number;
}

void line_add_field(line_buffer *buffer, const char *field, char next)
{
    for (; *field; field++) {
        const char *found = strchr(special, *field);
        if (found) {
            line_add(buffer, "\\", 1);
            line_add(buffer, &letters[found - special], 1);
        } else {
            line_add(buffer, field, 1);
        }
    }
    line_add(buffer, &next, 1);
}

char *line_take(line_buffer *buffer, int all)
{
    const char *end = buffer->length ? memchr(buffer->text, '\n', buffer->length) : NULL;

    if (!end && !(all && buffer->length))
        return NULL;
    size_t length = end ? (size_t)(end - buffer->text) : buffer->length;
    size_t taken = end ? length + 1 : length;
    char *line = cpl_malloc(length + 1);
    memcpy(line, buffer->text, length);
    line[length] = '\0';
    buffer->length -= taken;
    memmove(buffer->text, buffer->text + taken, buffer->length);
    return line;
}

static void unescape(char *field)
{
    char *to = field;

    for (const char *from = field; *from; from++) {
        const char *found = from[0] == '\\' && from[1] ? strchr(letters, from[1]) : NULL;
        *to++ = found ? special[found - letters] : *from;
        if (found)
            from++;
    }
    *to = '\0';
}

void line_split(char *line, char **fields, int number)
{
    for (int i = 0; i < number; i++) {
        char *end = line + strcspn(line, "\t");
        fields[i] = line;
        line = *end ? end + 1 : end;
        *end = '\0';
        unescape(fields[i]);
    }
}

void line_free(line_buffer *buffer)
{
    cpl_free(buffer->text);
    memset(buffer, 0, sizeof *buffer);
}
