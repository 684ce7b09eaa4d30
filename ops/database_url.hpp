#pragma once

#include <string>
#include <string_view>

namespace rowlock::ops {

// The connection string with a bound on connecting, unless it has one: 5 s. Takes both forms, postgresql://... and "host=... dbname=...".
std::string with_connect_timeout(const std::string& url);

// The first line of what libpq reports; the rest repeats it for every address of a host name.
std::string first_line(std::string_view text);

}
