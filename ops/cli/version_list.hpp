#pragma once

#include "ops/cli/context.hpp"

#include <cstddef>
#include <string_view>

namespace rowlock::ops {

// Who changed a definition, when and why: the newest `limit` versions of what is called `id` in `collection` ("/v1/jobs").
exit_code show_versions(context& c, std::string_view collection, std::string_view id, std::size_t limit);

}
