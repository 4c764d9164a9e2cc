/* A library of one recipe: what a CPL application asks it for. RECIPE is defined when it is compiled. */
#include <string.h>

#include "recipe.h"

#define TEXT_OF(name) #name
#define TEXT(name) TEXT_OF(name)
#define EXPORTED __attribute__((visibility("default")))

/* The version of the ESO pipeline whose parameters and products these are. Where two directories have recipes of one
 * name, applications take the higher version; of equal ones the first. */
#define PIPELINE_VERSION 20807UL

EXPORTED int cpl_plugin_get_info(cpl_pluginlist *list);
EXPORTED cpl_recipeconfig *muse_processing_get_recipeconfig(cpl_recipe *recipe);

const declared_recipe *musedeep_find(const char *name)
{
    for (const declared_recipe *one = musedeep_recipes; one->name; one++)
        if (name && strcmp(one->name, name) == 0)
            return one;
    return NULL;
}

static const declared_recipe *declaration_of(const cpl_recipe *recipe)
{
    return recipe ? musedeep_find(cpl_plugin_get_name(&recipe->interface)) : NULL;
}

static cpl_parameter *new_parameter(const declared_parameter *one, const char *context)
{
    const char *name = one->name, *help = one->description;

    if (one->kind == CPL_PARAMETER_CLASS_ENUM) {
        cpl_size size = 0, position = 0;
        for (; one->choices[size]; size++)
            if (strcmp(one->choices[size], one->text) == 0)
                position = size;
        return cpl_parameter_new_enum_from_array(name, one->type, help, context, position, size, one->choices);
    }
    if (one->kind == CPL_PARAMETER_CLASS_RANGE)
        return one->type == CPL_TYPE_DOUBLE
                   ? cpl_parameter_new_range(name, one->type, help, context, one->number, one->low, one->high)
                   : cpl_parameter_new_range(name, one->type, help, context, one->integer, (int)one->low,
                                             (int)one->high);
    switch (one->type) {
    case CPL_TYPE_DOUBLE:
        return cpl_parameter_new_value(name, one->type, help, context, one->number);
    case CPL_TYPE_STRING:
        return cpl_parameter_new_value(name, one->type, help, context, one->text);
    default:
        return cpl_parameter_new_value(name, one->type, help, context, one->integer);
    }
}

/* Whether the CPL in this process is the one that the library was built for: numbers of types and forms of structures may
 * change from one minor version to the next. Libraries of another major version are not loaded at all. */
static cpl_error_code check_cpl(const char *recipe)
{
    if (cpl_version_get_major() * 256 + cpl_version_get_minor() == CPL_VERSION_CODE / 256)
        return CPL_ERROR_NONE;
    char *reason = cpl_sprintf("the plugin of musedeep was built for CPL %s, and this is CPL %s; build it again with this "
                               "CPL (make clean all CPLDIR=DIRECTORY)",
                               CPL_VERSION_STRING, cpl_version_get_version());
    cpl_msg_error(recipe, "%s", reason);
    cpl_error_set_message(recipe, CPL_ERROR_INCOMPATIBLE_INPUT, "%s", reason);
    cpl_free(reason);
    return CPL_ERROR_INCOMPATIBLE_INPUT;
}

static int initialize(cpl_plugin *plugin)
{
    cpl_recipe *recipe = (cpl_recipe *)plugin;
    const declared_recipe *declared = declaration_of(recipe);
    cpl_errorstate before = cpl_errorstate_get();

    recipe->parameters = cpl_parameterlist_new();
    if (check_cpl(declared->name))
        return (int)cpl_error_get_code();
    char *context = cpl_sprintf("muse.%s", declared->name);
    for (const declared_parameter *one = declared->parameters; one->name; one++) {
        cpl_parameter *parameter = new_parameter(one, context);
        cpl_parameter_set_alias(parameter, CPL_PARAMETER_MODE_CLI, one->alias);
        cpl_parameter_set_alias(parameter, CPL_PARAMETER_MODE_CFG, one->alias);
        if (one->hidden)
            cpl_parameter_disable(parameter, CPL_PARAMETER_MODE_CLI);
        cpl_parameterlist_append(recipe->parameters, parameter);
    }
    cpl_free(context);
    return cpl_errorstate_is_equal(before) ? 0 : (int)cpl_error_set_where(cpl_func);
}

static int execute(cpl_plugin *plugin)
{
    cpl_recipe *recipe = (cpl_recipe *)plugin;
    const declared_recipe *declared = declaration_of(recipe);

    /* some applications go on when a recipe cannot be initialized */
    return check_cpl(declared->name) ? (int)cpl_error_get_code() : (int)musedeep_run(declared, recipe);
}

static int deinitialize(cpl_plugin *plugin)
{
    cpl_recipe *recipe = (cpl_recipe *)plugin;

    cpl_parameterlist_delete(recipe->parameters);
    recipe->parameters = NULL;
    return 0;
}

int cpl_plugin_get_info(cpl_pluginlist *list)
{
    const declared_recipe *declared = musedeep_find(TEXT(RECIPE));

    cpl_recipe *recipe = cpl_calloc(1, sizeof *recipe);
    cpl_plugin_init(&recipe->interface, CPL_PLUGIN_API, PIPELINE_VERSION, CPL_PLUGIN_TYPE_RECIPE, declared->name,
                    declared->synopsis, declared->description, musedeep_authors, musedeep_authors, musedeep_copyright,
                    initialize, execute, deinitialize);
    return cpl_pluginlist_append(list, &recipe->interface) ? 1 : 0;
}

/* The tags of a recipe, as python-cpl asks for them. It asks the first library that it has loaded about the recipes of
 * all, so that each library knows them all. */
cpl_recipeconfig *muse_processing_get_recipeconfig(cpl_recipe *recipe)
{
    const declared_recipe *declared = declaration_of(recipe);

    if (!declared)
        return NULL;
    cpl_recipeconfig *config = cpl_recipeconfig_new();
    for (const declared_raw *raw = declared->raws; raw->tag; raw++) {
        cpl_recipeconfig_set_tag(config, raw->tag, raw->minimum, raw->maximum);
        for (const declared_frame *input = raw->inputs; input->tag; input++)
            cpl_recipeconfig_set_input(config, raw->tag, input->tag, input->minimum, input->maximum);
        for (const char *const *output = raw->outputs; *output; output++)
            cpl_recipeconfig_set_output(config, raw->tag, *output);
    }
    return config;
}
