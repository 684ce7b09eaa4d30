#include "ops/database_url.hpp"

namespace rowlock::ops {

std::string with_connect_timeout(const std::string& url)
{
    if (url.find("connect_timeout") != std::string::npos) return url;
    if (url.starts_with("postgresql://") || url.starts_with("postgres://")) return url + (url.find('?') == std::string::npos ? '?' : '&') + "connect_timeout=5";
    return url + " connect_timeout=5";
}

std::string first_line(std::string_view text)
{
    return std::string{text.substr(0, text.find('\n'))};
}

}
