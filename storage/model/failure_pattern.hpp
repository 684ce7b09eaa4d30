#pragma once

#include <re2/re2.h>

namespace rowlock {

// How the patterns of retry policies are compiled, where they are checked and where they are used, so that what was taken compiles. The memory
// of one is bounded: a definition may have hundreds.
inline re2::RE2::Options failure_pattern_options()
{
    re2::RE2::Options options;
    options.set_log_errors(false);
    options.set_never_capture(true);
    options.set_max_mem(std::int64_t{1} << 20);
    return options;
}

}
