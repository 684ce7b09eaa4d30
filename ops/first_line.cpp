#include "ops/first_line.hpp"

namespace rowlock::ops {

std::string first_line(std::string_view text)
{
    return std::string{text.substr(0, text.find('\n'))};
}

}
