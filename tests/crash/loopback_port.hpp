#pragma once

#include <cstdint>
#include <string>

namespace rowlock::test {

// A port of 127.0.0.1 that nobody uses, below those that the system gives to outgoing connections: a server that was killed finds it free
// when it starts again. Another one each time.
std::uint16_t unused_loopback_port();
// The same as ADDR:PORT.
std::string unused_loopback_address();

}
