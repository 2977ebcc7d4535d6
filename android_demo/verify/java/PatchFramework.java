import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.stream.Collectors;
import java.util.zip.ZipEntry;
import java.util.zip.ZipFile;
import java.util.zip.ZipOutputStream;
import org.jetbrains.org.objectweb.asm.ClassReader;
import org.jetbrains.org.objectweb.asm.ClassVisitor;
import org.jetbrains.org.objectweb.asm.ClassWriter;
import org.jetbrains.org.objectweb.asm.MethodVisitor;
import org.jetbrains.org.objectweb.asm.Opcodes;

/**
 * Copies android.jar's classes and adds the members that framework-additions.txt lists, up to an
 * API level.
 *
 * <p>Arguments: android.jar, the copy, the list, the level. Only what is needed to compile against
 * is written: a method throws when it is called.
 */
final class PatchFramework {
    private static final int API = Opcodes.ASM9;
    private static final String GENERIC = "generic-method";

    /** A line of the list: LEVEL KIND CLASS NAME DESCRIPTOR [VALUE]. */
    private static final class Addition {
        final String kind;
        final String owner;
        final String name;
        final String descriptor;
        final String value;

        Addition(String[] words) {
            kind = words[1];
            owner = words[2];
            name = words[3];
            descriptor = words[4];
            value = words.length > 5 ? words[5] : null;
        }
    }

    public static void main(String[] arguments) throws IOException {
        int most = Integer.parseInt(arguments[3]);
        Map<String, List<Addition>> additions = new LinkedHashMap<>();
        for (String line : Files.readAllLines(Path.of(arguments[2]))) {
            String text = line.replaceFirst("#.*", "").trim();
            String[] words = text.split("\\s+");
            if (!text.isEmpty() && Integer.parseInt(words[0]) <= most) {
                additions.computeIfAbsent(words[2], key -> new ArrayList<>())
                    .add(new Addition(words));
            }
        }
        try (ZipFile from = new ZipFile(arguments[0]);
            OutputStream file = Files.newOutputStream(Path.of(arguments[1]));
            ZipOutputStream into = new ZipOutputStream(file)) {
            into.setLevel(0);
            List<ZipEntry> classes = from.stream()
                .filter(each -> each.getName().endsWith(".class"))
                .collect(Collectors.toList());
            for (ZipEntry entry : classes) {
                try (InputStream stream = from.getInputStream(entry)) {
                    byte[] bytes = stream.readAllBytes();
                    List<Addition> own = additions.remove(entry.getName().replace(".class", ""));
                    write(into, entry.getName(), own == null ? bytes : patched(bytes, own));
                }
            }
        }
        if (!additions.isEmpty()) {
            throw new IllegalArgumentException("not in android.jar: " + additions.keySet());
        }
    }

    private static void write(ZipOutputStream into, String name, byte[] bytes) throws IOException {
        into.putNextEntry(new ZipEntry(name));
        into.write(bytes);
        into.closeEntry();
    }

    private static byte[] patched(byte[] bytes, List<Addition> additions) {
        ClassWriter writer = new ClassWriter(0);
        ClassReader reader = new ClassReader(bytes);
        reader.accept(new ClassVisitor(API, writer) {
            @Override
            public MethodVisitor visitMethod(
                int access, String name, String descriptor, String signature, String[] thrown) {
                String generic = additions.stream()
                    .filter(each -> each.kind.equals(GENERIC) && each.name.equals(name)
                        && each.descriptor.equals(descriptor))
                    .map(each -> each.value)
                    .findFirst()
                    .orElse(signature);
                return super.visitMethod(access, name, descriptor, generic, thrown);
            }

            @Override
            public void visitEnd() {
                add(additions, cv);
                super.visitEnd();
            }
        }, 0);
        return writer.toByteArray();
    }

    private static void add(List<Addition> additions, ClassVisitor into) {
        for (Addition addition : additions) {
            switch (addition.kind) {
                case GENERIC:
                    break;
                case "constant":
                    into.visitField(
                        Opcodes.ACC_PUBLIC | Opcodes.ACC_STATIC | Opcodes.ACC_FINAL, addition.name,
                        addition.descriptor, null, Integer.valueOf(addition.value));
                    break;
                case "method":
                    thrower(into, Opcodes.ACC_PUBLIC, addition);
                    break;
                case "protected-method":
                    thrower(into, Opcodes.ACC_PROTECTED, addition);
                    break;
                default:
                    throw new IllegalArgumentException(
                        "no kind of addition is called " + addition.kind);
            }
        }
    }

    private static void thrower(ClassVisitor into, int access, Addition addition) {
        MethodVisitor method =
            into.visitMethod(access, addition.name, addition.descriptor, null, null);
        method.visitCode();
        method.visitInsn(Opcodes.ACONST_NULL);
        method.visitInsn(Opcodes.ATHROW);
        method.visitMaxs(1, 32);
        method.visitEnd();
    }
}
