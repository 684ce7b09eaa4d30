#pragma once

#include "tests/unit/handlers/scripted_server.hpp"

#include <string>

namespace rowlock::test {

// The parts of a request as a scripted server gets it.
inline std::string body_of(const std::string& request)
{
    return request.substr(request.find("\r\n\r\n") + 4);
}

inline std::string line_of(const std::string& request)
{
    return request.substr(0, request.find("\r\n"));
}

inline bool says(const std::string& request, const std::string& header)
{
    return request.find("\r\n" + header + "\r\n") != std::string::npos;
}

}
