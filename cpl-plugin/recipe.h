/* The recipes of musedeep as data. `generate.py` writes the tables (`recipes.c`) from the declarations of musedeep. */
#ifndef MUSEDEEP_RECIPE_H
#define MUSEDEEP_RECIPE_H

#include <cpl.h>

/* Messages of the plugin itself come from this component. */
#define MUSEDEEP "musedeep"

/* A parameter; of the three defaults that of its type counts (a boolean has an integer). */
typedef struct {
    const char *name; /* muse.muse_bias.nifu */
    const char *alias; /* nifu */
    const char *description;
    cpl_type type;
    cpl_parameter_class kind; /* value, range or enumeration */
    int hidden; /* on the command line only with --show-hidden */
    int integer;
    double number;
    const char *text;
    double low, high; /* of a range */
    const char *const *choices; /* of an enumeration of strings, ended by NULL */
} declared_parameter;

/* An input frame. */
typedef struct {
    const char *tag;
    cpl_frame_group group; /* raw or calibration */
    int minimum, maximum; /* number of files; -1: any */
} declared_frame;

/* A raw tag, with the frames that go with it and the tags of the products. Each list ends with NULL. */
typedef struct {
    const char *tag;
    int minimum, maximum;
    const declared_frame *inputs;
    const char *const *outputs;
} declared_raw;

typedef struct {
    const char *name, *synopsis, *description;
    const declared_parameter *parameters;
    const declared_frame *frames;
    const declared_raw *raws;
} declared_recipe;

/* In recipes.c: all recipes, ended by one without a name. */
extern const declared_recipe musedeep_recipes[];
/* How to start musedeep: the Python interpreter, and where it finds the package (NULL: it knows). */
extern const char musedeep_python[];
extern const char *const musedeep_python_path;
/* The version of musedeep that the tables were written from. */
extern const char musedeep_version[];
extern const char musedeep_authors[];
extern const char musedeep_copyright[];

/* The declaration of a recipe, NULL if there is none. */
const declared_recipe *musedeep_find(const char *name);

/* In run.c: run musedeep on the frames of a recipe, and add the products to them. */
cpl_error_code musedeep_run(const declared_recipe *declared, cpl_recipe *recipe);

#endif
