#pragma once

#include <string>
#include <string_view>

namespace rowlock::ops {

// The first line of what libpq reports; the rest repeats it for every address of a host name.
std::string first_line(std::string_view text);

}
