// The bodies of Asio and Beast, compiled once for the whole program (BOOST_ASIO_SEPARATE_COMPILATION, BOOST_BEAST_SEPARATE_COMPILATION).
// Beast 1.81 asserts that the last chunk's header comes with at least five bytes. Where a client sends a lone last chunk byte by byte
// they are three; its code is right for them, its assertion is not, and would let a client end the program.
#define BOOST_DISABLE_ASSERTS

#include <boost/asio/impl/src.hpp>
#include <boost/asio/ssl/impl/src.hpp>
#include <boost/beast/src.hpp>
