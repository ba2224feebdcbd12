// Preloaded into llama.cpp (LD_PRELOAD): hides the CPU backend's extra buffer types, so that weights are used as they
// lie in the mapped file.  Its copies in an order of its own need as much memory again, which large models do not leave.
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stddef.h>
#include <string.h>

typedef void* (*lookup_t)(void* registry, const char* name);

void* ggml_backend_reg_get_proc_address(void* registry, const char* name) {
  if (strcmp(name, "ggml_backend_dev_get_extra_bufts") == 0) return NULL;
  static lookup_t original;
  if (original == NULL) {
    void* library = dlopen("libggml-base.so", RTLD_LAZY | RTLD_NOLOAD);  // not in the global scope: RTLD_NEXT misses it
    original = library == NULL ? NULL : (lookup_t)dlsym(library, "ggml_backend_reg_get_proc_address");
  }
  return original == NULL ? NULL : original(registry, name);
}
