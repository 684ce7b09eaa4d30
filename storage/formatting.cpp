#include "storage/formatting.hpp"

// libfmt has it too, but clang and the compiler of Debian's packages disagree over its name.
template void fmt::detail::vformat_to<char>(fmt::detail::buffer<char>&, fmt::string_view, fmt::format_args, fmt::detail::locale_ref);
