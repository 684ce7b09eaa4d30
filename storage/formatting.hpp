#pragma once

#include <fmt/format.h>

// Every message goes through this function. Without the declaration each file that formats or logs compiles it anew, with all that it calls: half of
// the time that such a file takes under the sanitizers. The precompiled headers begin with it.
extern template void fmt::detail::vformat_to<char>(fmt::detail::buffer<char>&, fmt::string_view, fmt::format_args, fmt::detail::locale_ref);
