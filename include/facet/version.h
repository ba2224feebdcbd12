// version.h: the version of the installed headers.
#pragma once

#define FACET_VERSION_STRING "0.1.0"
