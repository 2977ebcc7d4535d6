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
 * Copies android.jar's classes and adds the members that framework-additions.txt lists, up to an API level.
 *
 * <p>Arguments: android.jar, the copy, the list, the level. Only what is needed to compile against
 * is written: a method throws when it is called.
 */
final class PatchFramework {
    private static final int API = Opcodes.ASM9;
    private static final String NEW_CLASS = "class";
    private static final String NEW_INTERFACE = "interface";
    private static final String GENERIC = "generic-method";

    /** A line of the list: LEVEL KIND CLASS [NAME DESCRIPTOR [VALUE]], or a class's superclass. */
    private static final class Addition {
        final String kind;
        final String owner;
        final String name;
        final String descriptor;
        final String value;

        Addition(String[] words) {
            kind = words[1];
            owner = words[2];
            name = words.length > 3 ? words[3] : "java/lang/Object";
            descriptor = words.length > 4 ? words[4] : null;
            value = words.length > 5 ? words[5] : null;
        }

        boolean makesClass() {
            return kind.equals(NEW_CLASS) || kind.equals(NEW_INTERFACE);
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
            for (Map.Entry<String, List<Addition>> rest : additions.entrySet()) {
                write(into, rest.getKey() + ".class", made(rest.getKey(), rest.getValue()));
            }
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

    private static byte[] made(String name, List<Addition> additions) {
        Addition head = additions.get(0);
        if (!head.makesClass()) {
            throw new IllegalArgumentException(
                name + " is not in android.jar, and no line makes it a class or an interface");
        }
        boolean isInterface = head.kind.equals(NEW_INTERFACE);
        int access = Opcodes.ACC_PUBLIC | (isInterface
            ? Opcodes.ACC_INTERFACE | Opcodes.ACC_ABSTRACT
            : Opcodes.ACC_SUPER);
        ClassWriter writer = new ClassWriter(0);
        writer.visit(Opcodes.V1_8, access, name, null, head.name, null);
        int nested = name.lastIndexOf('$');
        if (nested > 0) {
            writer.visitInnerClass(
                name, name.substring(0, nested), name.substring(nested + 1),
                access | Opcodes.ACC_STATIC);
        }
        add(additions.subList(1, additions.size()), writer);
        writer.visitEnd();
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
                        addition.descriptor, null, constant(addition));
                    break;
                case "static-field":
                    into.visitField(
                        Opcodes.ACC_PUBLIC | Opcodes.ACC_STATIC | Opcodes.ACC_FINAL, addition.name,
                        addition.descriptor, null, null);
                    break;
                case "field":
                    into.visitField(
                        Opcodes.ACC_PUBLIC, addition.name, addition.descriptor, null, null);
                    break;
                case "abstract-method":
                    into.visitMethod(
                        Opcodes.ACC_PUBLIC | Opcodes.ACC_ABSTRACT, addition.name,
                        addition.descriptor, null, null);
                    break;
                case "method":
                    thrower(into, Opcodes.ACC_PUBLIC, addition);
                    break;
                case "protected-method":
                    thrower(into, Opcodes.ACC_PROTECTED, addition);
                    break;
                case "static-method":
                    thrower(into, Opcodes.ACC_PUBLIC | Opcodes.ACC_STATIC, addition);
                    break;
                default:
                    throw new IllegalArgumentException(
                        "no kind of addition is called " + addition.kind);
            }
        }
    }

    private static Object constant(Addition addition) {
        switch (addition.descriptor) {
            case "I":
                return Integer.valueOf(addition.value);
            case "J":
                return Long.valueOf(addition.value);
            case "F":
                return Float.valueOf(addition.value);
            default:
                return addition.value;
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
